"""InlineRun: a submitted flow in a thread of this process, with the interface of a run. It ends with the process."""

from __future__ import annotations

import asyncio
import copy
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flowq.batch.inline.background import LOOK_EVERY_S, Background, nobody_else_is_left
from flowq.batch.naming import new_batch_id
from flowq.batch.run_flow import RunFlow
from flowq.batch.running.tries import as_failure
from flowq.batch.running.waits import Sent, Wait, Waits
from flowq.core.context import ItemContext, check_event, enter_context
from flowq.core.drive import finish
from flowq.core.given import require_whole, seconds_of
from flowq.core.journey import Frame, Journey, Left
from flowq.core.node import Node
from flowq.core.store.shared_store import Store
from flowq.core.walks.run_result import RunResult, RunStep
from flowq.core.walks.runs import Checkpoint, RunStatus, nobody_receives
from flowq.errors import CannotTravel, FlowError, RunCancelled
from flowq.portable import portable

_log = logging.getLogger("flowq.batch")


@dataclass(frozen=True, slots=True)
class _Kept:
    """The state of the run after a step."""

    step: Checkpoint
    frames: list[Frame]
    store: Any


class InlineRun:
    """One run. Its checkpoints are kept in memory; batches inside it run in this process."""

    def __init__(self, flow: Node[Any, Any], shared: Any, label: str | None, key: str | None = None) -> None:
        self.id = new_batch_id(label or flow.name, key)
        self.label = label or flow.name
        self._flow = flow
        # A plain dict, as on workers: a defaultdict would insert missing keys.
        plain = dict(shared) if isinstance(shared, Mapping) and not isinstance(shared, Store) else shared
        self._begun_with = _copied(plain)
        self._shared: Any = _copied(plain)
        self._kept: list[_Kept] = []
        self._events: dict[str, list[Sent]] = defaultdict(list)
        self._received: dict[str, int] = defaultdict(int)
        self._waits = _HereWaits(self)
        self._changed = threading.Condition()
        self._status: RunStatus = "running"
        self._generation = 0
        self._action: str | None = None
        self._error: Exception | None = None
        self._works = False
        self._since_s = 0.0

    def start(self, at: int = 0) -> None:
        """Run in a new thread, continuing after step *at*."""
        frames: list[Frame] = []
        self._shared = _copied(self._begun_with)
        if at:
            frames, self._shared = copy.deepcopy((self._kept[at - 1].frames, self._kept[at - 1].store))
        del self._kept[at:]
        self._status, self._error, self._works, self._since_s = "running", None, True, time.time()
        Background(lambda: self._run(frames, at), self, "run", self._stands).start()

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    @property
    def status(self) -> RunStatus:
        """See Run."""
        return self._status

    def wait(self, timeout: float | None = None) -> bool:
        """See Run."""
        timeout_s = seconds_of(timeout)
        with self._changed:
            return self._changed.wait_for(lambda: self._ended, timeout_s)

    def result(self, timeout: float | None = None) -> RunResult:
        """See Run."""
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.id} has not ended within {timeout:g} s")
        if self._status == "cancelled":
            raise RunCancelled(self.id)
        if self._error is not None:
            raise self._error
        steps = [RunStep(step.node, step.node, step.action, None, step.seconds) for step in self.history()]
        return RunResult("succeeded", self._action, None, self._shared, tuple(steps), sum(one.seconds for one in steps))

    def history(self) -> list[Checkpoint]:
        """See Run."""
        with self._changed:
            return [kept.step for kept in self._kept]

    def events(self) -> Iterator[Checkpoint]:
        """See Run."""
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda at=seen: self._ended or len(self._kept) > at)  # type: ignore[misc]
                fresh, ended = [kept.step for kept in self._kept[seen:]], self._ended
            yield from fresh
            seen += len(fresh)
            if ended and not fresh:
                return

    def send(self, name: str, value: Any = None) -> None:
        """See Run."""
        check_event(name)
        with self._changed:
            if self._ended:
                raise nobody_receives(self.id, self._status, name)
            self._events[name].append(Sent(sum(map(len, self._events.values())), value))

    def awaits(self) -> list[str]:
        """See Run."""
        return self._waits.names

    def cancel(self) -> None:
        """See Run. The running node is not interrupted, but no further node is visited."""
        self._move("cancelled", "running", "paused", "parked")

    def pause(self) -> None:
        """See Run."""
        self._move("paused", "running", "parked")

    def resume(self, from_step: int | None = None, *, fork: bool = False) -> InlineRun:
        """See Run."""
        if from_step is not None:
            require_whole("from_step", from_step, 0)
        if self._status == "paused" and from_step is None and not fork:
            self._move("running", "paused")
            return self
        if not fork and not self._ended:
            if self._status == "cancelled":
                raise FlowError(
                    f"run {self.id} was cancelled, and the node that ran still does: run.wait() first, or fork it"
                )
            raise FlowError(f"run {self.id} is {self._status}: cancel it first, or give fork=True")
        if self._status == "succeeded" and from_step is None:
            raise FlowError(f"run {self.id} has succeeded: say from which step it is to run again, from_step=0 for all")
        at = len(self._kept) if from_step is None else from_step
        if not 0 <= at <= len(self._kept):
            raise FlowError(f"run {self.id} has kept no step {at}: its last is {len(self._kept)}")
        run = self._fork() if fork else self
        run._generation += not fork
        run.start(at)
        return run

    def _fork(self) -> InlineRun:
        run = InlineRun(self._flow, self._begun_with, self.label)
        run._kept = list(self._kept)
        return run

    @property
    def _ended(self) -> bool:
        return self._status in ("succeeded", "failed", "cancelled") and not self._works

    def _move(self, to: RunStatus, *before: RunStatus) -> None:
        with self._changed:
            if self._status in before:
                self._status = to
                self._changed.notify_all()

    def _run(self, frames: list[Frame], steps: int) -> None:
        self._waits = _HereWaits(self)
        root = RunFlow(self._flow)
        root.journey = journey = _Here(self, root, frames, steps)
        journey.enter(root)
        enter_context(ItemContext(run_id=self.id, is_cancelled=self._is_cancelled, on_wait=self._waits.wait_for))
        try:
            self._action = finish(
                root.walk(self._shared, self._flow.params), needs_loop=root.has_async(), what=self.label
            )
            self._move("succeeded", "running", "paused", "parked")
        except Left:  # it was cancelled
            pass
        except BaseException as error:  # raised by `result`
            self._error = _as_told(error, root)
            self._error.add_note(f"in run {self.id}: mend the cause, then run.resume() does what is missing")
            self._move("failed", "running", "paused", "parked")
        finally:
            with self._changed:
                self._works = False
                self._changed.notify_all()

    def _is_cancelled(self) -> bool:
        return self._status == "cancelled"

    def _stands(self) -> bool:
        """Whether it waits for the program, without a time limit: one with a limit may be meant as a pause."""
        return self._status == "paused" or (self._status == "parked" and not self._waits.end_by_themselves)

    def end_with_program(self) -> None:
        """Cancel the run if nobody is left who could send it an event or resume it, so that the program can end."""
        if self._stands() and nobody_else_is_left():
            stands = "is paused, and the program that could resume it"
            if self._status == "parked":
                stands = "waits for an event, and the program that could send it"
            _log.warning("run %s %s has ended: without workers it ends with it", self.id, stands)
            self.cancel()

    def _stepped(self, journey: Journey, shared: Any, name: str) -> None:
        now_s = time.time()
        step = Checkpoint(
            journey.steps, name, journey.frames[-1].action, now_s, now_s - self._since_s, self._generation
        )
        self._since_s = now_s
        self._waits.taken.settle(self._received)
        with self._changed:
            self._kept.append(_Kept(step, copy.deepcopy(journey.frames), _copied(shared)))
            self._changed.notify_all()
            while not self._changed.wait_for(lambda: self._status != "paused", LOOK_EVERY_S):
                self.end_with_program()
            if self._status == "cancelled":
                raise Left("cancelled", (), b"")


class _HereWaits(Waits):
    """The waits of the running node of an inline run."""

    def __init__(self, run: InlineRun) -> None:
        super().__init__()
        self._run = run

    def received(self, name: str) -> int:
        return self._run._received[name]

    async def told(self, wait: Wait) -> Any:
        self._run._move("parked", "running")
        try:
            return await super().told(wait)
        finally:
            if not self._open:
                self._run._move("running", "parked")

    @property
    def names(self) -> list[str]:
        return sorted({wait.name for wait in self._open if not wait.answer.done()})

    @property
    def end_by_themselves(self) -> bool:
        return any(wait.ends for wait in self._open)

    def is_paused(self) -> bool:
        if self._run._status == "paused":
            self._run.end_with_program()
        return self._run._status == "paused"

    async def look(self, waits: Sequence[Wait]) -> Mapping[Wait, Sent]:
        if self._run._status == "cancelled":
            raise Left("cancelled", (), b"")
        events = self._run._events
        return {wait: events[wait.name][wait.number] for wait in waits if len(events[wait.name]) > wait.number}

    async def rest(self, waits: Sequence[Wait]) -> None:
        self._run.end_with_program()
        await asyncio.sleep(LOOK_EVERY_S)


def _as_told(error: BaseException, root: RunFlow) -> Exception:
    """The exception of the run in portable form, the same as a run on workers would raise."""
    failure = as_failure(error)
    root.note_failed_item(failure, 0, 0)
    return portable(failure)


def _copied(shared: Any) -> Any:
    """A copy of the store. A run keeps one per step, as on workers.

    Raises:
        CannotTravel: a value cannot be copied, such as a lock or a client that holds one; names its key.
    """
    try:
        return copy.deepcopy(shared)
    except Exception as exc:
        for key in shared if isinstance(shared, Mapping) else ():
            value = shared[key]
            try:
                copy.deepcopy(value)
            except Exception as own:
                raise CannotTravel(
                    f"shared[{key!r}]",
                    f"a submitted run keeps its store, and {type(value).__name__} cannot be copied ({own}). "
                    "Make it in exec or setup instead of keeping it in the store.",
                ) from exc
        raise


class _Here(Journey):
    """The walk of an inline run."""

    def __init__(self, run: InlineRun, root: RunFlow, frames: list[Frame], steps: int) -> None:
        super().__init__(root, frames, steps)
        self._run = run

    def reached(self, shared: Any, name: str) -> None:
        self._run._stepped(self, shared, name)
