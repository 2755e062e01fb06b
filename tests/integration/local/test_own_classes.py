"""What workers know of the program that starts them: what stands at the top of its script. The rest is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import ROOT, Program

Start = Callable[[str], Program]


def python(*words: str, cwd: Path, typed: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a program printed that Python was started with in this folder, and was *typed* to it."""
    program = subprocess.Popen(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = program.communicate(typed, timeout=60)
    except subprocess.TimeoutExpired:
        program.send_signal(signal.SIGABRT)  # says what it was doing
        out, err = program.communicate(timeout=10)
    return subprocess.CompletedProcess(words, program.returncode, out, err)


GIVES_WHAT_A_FUNCTION_MAKES = """
    import dataclasses
    import logging.handlers
    import queue
    import flowq
    from flowq.client import left_alone

    @flowq.parallel_batch_node
    def shown(item):
        return repr(item)

    class Keeps(flowq.ParallelBatchNode):
        def __init__(self, kept, **options):
            super().__init__(**options)
            self.kept = kept

        def exec(self, item):
            return self.kept, item

    @flowq.register
    def at_the_top(item):
        return item + 1

    def main():
        @flowq.register
        def cube(item):
            return item**3

        @flowq.register
        @dataclasses.dataclass
        class Pixel:
            x: int

        @flowq.parallel_batch_node
        def inner(item):
            return item

        with flowq.LocalCluster(workers=1, slots=1):
            shared = {"items": [1, 2]}
            flowq.MapNode(at_the_top).run(shared)
            print(shared["results"], flush=True)
            for batch in (
                lambda: flowq.MapNode(cube).run({"items": [1]}),
                lambda: Keeps(Pixel(3)).map([1]),
                lambda: Keeps({"by": [Pixel(3)]}).map([1]),
                lambda: Keeps(3, key=cube).map([1]),
                lambda: shown.map([Pixel(3)]),
                lambda: shown.map([{"at": (Pixel(3),)}]),
                lambda: inner.map([1]),
                lambda: guarded.map([1]),
            ):
                try:
                    print("ran", batch(), flush=True)
                except flowq.UnknownNode as error:
                    print(error, flush=True)
            left_alone.LOOK_EVERY_S = 0.1
            logging.getLogger("flowq").addHandler(logging.handlers.QueueHandler(said := queue.Queue()))
            batch = shown.submit(iter([Pixel(3)]))  # what a generator will give nobody knows
            while said.empty():
                batch.wait(0.2)
            print(said.get().getMessage(), flush=True)
            batch.cancel()

    if __name__ == "__main__":
        @flowq.parallel_batch_node
        def guarded(item):
            return item

        main()
"""


def test_what_a_function_of_the_script_makes_is_refused_and_not_waited_for(program: Start) -> None:
    one = program(GIVES_WHAT_A_FUNCTION_MAKES)
    assert one.line() == "[2, 3]"
    for name in ("cube", "Pixel", "Pixel", "cube", "Pixel", "Pixel", "inner"):
        said = one.line()
        assert f"__main__:main.<locals>.{name}" in said
        assert "inside the function main()" in said
        assert "top of the script" in said
    said = one.line()
    assert "__main__:guarded " in said
    assert 'the top of the script, and nothing under `if __name__ == "__main__":`' in said
    said = one.line()
    assert "'__main__:main.<locals>.Pixel'" in said
    assert "end the batch: `flowq cancel shown-" in said
    assert one.end()[0] == 0


MAKES_NODES_OF_FUNCTIONS_AS_IT_GOES = """
    import flowq

    def plain(item):
        return item + 1

    @flowq.register
    def known(item):
        return item + 1

    def main():
        with flowq.LocalCluster(workers=1, slots=1):
            for batch in (
                lambda: flowq.parallel_batch_node(known).map([1]),
                lambda: flowq.parallel_batch_node(exec=known, max_retries=2).map([1]),
                lambda: flowq.parallel_batch_node(plain).map([1]),
                lambda: flowq.ParallelBatchNode.of(plain).map([1]),
                lambda: flowq.MapNode(plain).map([1]),
                lambda: flowq.Flow(flowq.node(plain)).submit({}),
            ):
                try:
                    print("ran", batch(), flush=True)
                except flowq.UnknownNode as error:
                    print(error, flush=True)
            print(flowq.ParallelBatchNode.of(known).map([1]), flowq.MapNode(known).map([2]), flush=True)

    if __name__ == "__main__":
        main()
"""


def test_a_node_that_a_function_of_the_script_makes_of_another_is_refused_and_not_waited_for(program: Start) -> None:
    one = program(MAKES_NODES_OF_FUNCTIONS_AS_IT_GOES)
    others = "decorate the function with @flowq.register"
    of = f"{others} and make the node with flowq.ParallelBatchNode.of(function)"
    for name, other in (
        *(("known", of), ("known", of), ("plain", of)),
        *(("ParallelBatchNode[plain]", others), ("MapNode[plain]", others), ("plain", "(FLOWQ_IMPORTS)")),
    ):
        said = one.line()
        assert f"__main__:{name} " in said
        assert "make it at the top of the script" in said
        assert said.endswith(other)
        assert "with flowq.LocalCluster" not in said, "it is in one"
    assert one.line() == "[2] [3]"
    assert one.end()[0] == 0


def test_what_was_typed_at_a_prompt_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    typed = """
        import flowq
        @flowq.register
        def cube(item): return item**3

        cluster = flowq.LocalCluster(workers=1, slots=1).start()
        flowq.MapNode(cube).run({"items": [1]})
        cluster.stop()
    """
    done = python("-i", cwd=tmp_path, typed=textwrap.dedent(typed))
    assert done.returncode == 0, done.stderr
    assert "UnknownNode" in done.stderr
    assert "what it is given, __main__:cube, was typed here" in done.stderr


@pytest.mark.parametrize(("words", "dot"), [(("-m", "shop"), "."), (("-m", "shop.run"), "."), (("shop",), "")])
def test_a_program_of_a_package_is_imported_as_it_was_started(words: tuple[str, ...], dot: str, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "prices.py").write_text("import flowq\n@flowq.parallel_batch_node\ndef price(item): return item * 2\n")
    # Of a package's folder nothing is imported by its bare name, though it be that of a module of Python's own.
    (shop / "tabnanny.py").touch()
    source = f"""
        from __future__ import annotations

        import flowq
        from pydantic import BaseModel
        from {dot}prices import price

        @flowq.register
        class Row(BaseModel):
            at: Place

        @flowq.register
        class Place(BaseModel):
            x: int

        @flowq.parallel_batch_node
        def moved(row):
            return row.at.x + 1

        @flowq.parallel_batch_node
        def own(item):
            import tabnanny
            return hasattr(tabnanny, "check")

        if __name__ == "__main__":
            with flowq.LocalCluster(workers=1, slots=1):
                print(price.map([1]), moved.map([Row(at=Place(x=2))]), own.map([1]))
    """
    (shop / "__main__.py").write_text(textwrap.dedent(source))
    (shop / "run.py").write_text(textwrap.dedent(source))
    done = python(*words, cwd=tmp_path)
    assert done.stdout == f"[2] [3] [{dot == '.'}]\n", done.stderr


IS_SPAWNED = """
    import dataclasses
    import multiprocessing
    import sys
    import flowq

    @flowq.register
    @dataclasses.dataclass
    class Point:
        x: int

    @flowq.parallel_batch_node
    def moved(point):
        return Point(point.x + 1)

    def ask(url, points, answer):
        flowq.activate(flowq.connect(url))
        answer.put(list(moved.map(points)))
        with flowq.LocalCluster(workers=1, slots=1):
            answer.put(list(moved.map(points)))

    if __name__ == "__main__":
        with flowq.LocalCluster(workers=1, slots=1) as cluster:
            for how in sys.argv[1:]:
                spawn = multiprocessing.get_context(how)
                answer = spawn.Queue()
                process = spawn.Process(target=ask, args=(cluster.broker_url, [Point(1), Point(2)], answer))
                process.start()
                for _ in range(2):
                    print(how, answer.get(timeout=30), flush=True)
                process.join()
"""


def test_a_process_that_multiprocessing_has_started_sends_the_nodes_and_classes_of_the_script(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(textwrap.dedent(IS_SPAWNED))
    ways = ("spawn", "forkserver", "fork")
    done = python("program.py", *ways, cwd=tmp_path)
    said = [f"{how} [Point(x=2), Point(x=3)]" for how in ways for _ in range(2)]
    assert done.stdout.splitlines() == said, done.stderr
