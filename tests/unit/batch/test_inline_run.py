"""A submitted flow in a thread of this process, in moments that the features' tests do not come by."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests.programs import Program

pytestmark = pytest.mark.usefixtures("inline")


def test_who_resumes_a_cancelled_run_while_its_last_node_ends_is_told_to_wait_for_that() -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Ends(flowq.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            begun.set()
            assert may_end.wait(20)

    run = flowq.Flow(Ends()).submit({})
    assert begun.wait(20)
    run.cancel()
    with pytest.raises(flowq.FlowError, match=r"was cancelled, and the node that ran still does: run\.wait\(\) first"):
        run.resume()
    may_end.set()
    assert run.wait(20)
    assert run.resume().wait(20)
    assert run.status == "succeeded"


@pytest.mark.parametrize("left", ["run.wait(1)", "raise SystemExit(3)", "more.submit({})"])
def test_a_run_that_waits_for_an_event_does_not_outlive_the_program_that_could_send_it(
    left: str, tmp_path: Path
) -> None:
    source = f"""
        import flowq

        class Waits(flowq.Node):
            async def exec(self, prep_res, *, ctx):
                return await ctx.wait_for("approval")

        more = flowq.Flow(Waits(), name="More")
        run = flowq.Flow(Waits(), name="Letter").submit({{}})
        {left}
    """
    status, said = ended(tmp_path, source)
    assert status == (3 if "3" in left else 0)
    assert "run letter-" in said
    assert "waits for an event, and the program that could send it has ended" in said


def test_a_run_that_was_paused_does_not_outlive_its_program(tmp_path: Path) -> None:
    source = """
        import threading
        import flowq

        begun, may_end = threading.Event(), threading.Event()

        class Ends(flowq.Node):
            def exec(self, prep_res):
                begun.set()
                may_end.wait()

        ends = Ends()
        ends >> Ends()
        run = flowq.Flow(ends, name="Letter").submit({})
        begun.wait()
        run.pause()
        may_end.set()
    """
    status, said = ended(tmp_path, source)
    assert status == 0
    assert "is paused, and the program that could resume it has ended" in said


@pytest.mark.parametrize("fails", ["raise LookupError", "raise KeyboardInterrupt"], ids=["an error", "Ctrl-C"])
def test_what_was_submitted_ends_with_a_program_that_fails(tmp_path: Path, fails: str) -> None:
    source = f"""
        import itertools
        import threading
        import flowq

        begun = threading.Semaphore(0)

        @flowq.parallel_batch_node
        def endless(item):
            begun.release()

        @flowq.parallel_batch_node
        async def side_by_side(item):
            begun.release()

        class Again(flowq.Node):
            def exec(self, prep_res):
                begun.release()

        again = Again()
        again >> again
        endless.submit(itertools.count(), label="Plain")
        side_by_side.submit(itertools.count(), label="Async")
        flowq.Flow(again, name="Round").submit({{}})
        begun.acquire()
        {fails}
    """
    status, said = ended(tmp_path, source)
    assert status not in (0, None)
    assert fails.split()[1] in said
    for name in ("plain-", "async-", "round-"):
        assert f"the program ends before {name}" in said


def test_what_was_submitted_goes_on_after_the_end_of_the_program(tmp_path: Path) -> None:
    source = """
        import asyncio
        import os
        import threading
        import flowq

        def say(text):
            os.write(1, f"{text}\\n".encode())  # at once, whatever other threads write

        class Waits(flowq.Node):
            async def exec(self, prep_res, *, ctx):
                try:
                    await ctx.wait_for("never", timeout=0.3)
                except TimeoutError:
                    return "in time"

            def post(self, shared, prep_res, exec_res):
                say(exec_res)

        class Receives(flowq.Node):
            async def exec(self, prep_res, *, ctx):
                say(f"received {await ctx.wait_for('late')}")

        class Sums(flowq.ParallelBatchNode):
            def prep(self, shared):
                return [1, 2]

            async def exec(self, n):
                await asyncio.sleep(0.2)
                return n

            def post(self, shared, prep_res, exec_res):
                say(f"sum {sum(exec_res)}")

        @flowq.parallel_batch_node(in_flight=2)
        def shown(item):
            say(f"item {item}")
            may_send.wait(0.1)

        may_send = threading.Event()
        for node in (Waits(), Sums()):
            flowq.Flow(node).submit({})
        shown.submit(number for number in range(6))
        run = flowq.Flow(Receives()).submit({})
        threading.Thread(target=lambda: (may_send.wait(1), run.send("late", 5))).start()
    """
    one = Program(tmp_path / "program.py", source)
    try:
        if (3, 12, 0) <= sys.version_info[:3] < (3, 12, 2):  # they start no threads as a program ends
            assert "or use Python 3.12.2" in one.end()[1]
            return
        said = sorted(one.line() for _ in range(9))
        assert said == ["in time", *(f"item {number}" for number in range(6)), "received 5", "sum 3"]
        assert one.end() == (0, "")
    finally:
        one.abandon()


def ended(folder: Path, source: str) -> tuple[int, str]:
    """How a program ended, and what it said on stderr."""
    one = Program(folder / "program.py", source)
    try:
        return one.end()
    finally:
        one.abandon()
