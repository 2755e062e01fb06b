"""Tries: runs one item until it is done: exec, retries, parking, fallback, failure. For sync and async runs alike."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import Callable
from functools import partial
from numbers import Real
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.done import FlowItem, ItemDone, Park
from flowq.batch.results.outcome import Outcome
from flowq.batch.running.alarm import call_within
from flowq.batch.running.gate import Entry, Gate, Go, Held, Hit, Later, Refused
from flowq.batch.running.threads import sleep_unless
from flowq.core.callables import is_async, wants_ctx
from flowq.core.context import ItemContext, enter_context
from flowq.core.drive import ControlFlow, Steps, async_twin, bounded, call_async
from flowq.core.journey import Left
from flowq.errors import CircuitOpen, FlowError, ItemCancelled
from flowq.portable import notes_of, portable, text_of, without_frames
from flowq.tracebacks import drop_flowq_frames

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout


class Interrupted(ControlFlow):
    """Raised when the batch is closed while an item waits for its next try; the item then has no outcome."""


class Unawaited(BaseException):
    """A blocking call returned an awaitable. Not an Exception: a retry or a fallback would not help."""

    def __init__(self, error: FlowError) -> None:
        super().__init__()
        self.error = error


_ENDS_MORE = (GeneratorExit, ControlFlow)


def as_failure(exc: BaseException) -> Exception:
    """The error of an item whose ``exec`` raised *exc*. If *exc* is not an Exception, the item is not retried."""
    if isinstance(exc, Exception):
        return exc
    if isinstance(exc, Unawaited):
        return exc.error
    if isinstance(exc, asyncio.CancelledError):
        # exec awaited something that was cancelled.
        error = ItemCancelled("exec ended with CancelledError, though nobody cancelled it")
        return error.with_traceback(exc.__traceback__)
    if isinstance(exc, SystemExit) and not notes_of(exc):
        exc.add_note("an item that exits fails alone, and its process goes on: raise an Exception that says why")
    if isinstance(exc, KeyboardInterrupt) and not notes_of(exc):
        exc.add_note("nobody pressed Ctrl-C, the item raised this by itself: raise an Exception that says why")
    return portable(exc)


def is_awaitable(kind: type) -> bool:
    """Whether objects of this class are awaitable."""
    return hasattr(kind, "__await__")


def unawaited(called: str, value: Any) -> Unawaited:
    """The exception to raise if the blocking method *called* returned the awaitable *value*, which is closed."""
    if hasattr(value, "close"):
        value.close()  # avoids the warning of a coroutine that was never awaited
    return Unawaited(FlowError(f"{called} returned an awaitable ({type(value).__name__}): declare it `async def`."))


def retry_reason(exc: Exception) -> str:
    """Why an item waits for its next try, for display."""
    return f"retry after {type(exc).__name__}: {text_of(exc)}"[:200]


def _told_to_end(exc: SystemExit) -> bool:
    """Whether a signal handler raised *exc*, so that it is meant for the process, not for the item that was running.

    Python calls a signal handler with the interrupted frame as an argument; other functions do not get their caller's
    frame.
    """
    traceback = exc.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        names, rest, _, values = inspect.getargvalues(frame)
        more = values.get(rest) if rest else ()
        given = (*(values.get(name) for name in names), *(more if type(more) is tuple else ()))
        if frame.f_back is not None and any(one is frame.f_back for one in given):
            return True
        traceback = traceback.tb_next
    return False


def _is_being_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:  # no loop runs in this thread
        return False
    return task is not None and task.cancelling() > 0


class Tries:
    """Runs the tries of the items of one batch.

    Attributes:
        is_async: whether an item needs an event loop.
        exec: the function called for each item; called: its name.
        around: the context of the whole batch.
        cancelled: whether nobody waits for the items any more.
        is_plain: ``exec(item)`` is all there is to a first try: no ``ctx``, no timeout.
        gate: what every try passes through; None: nothing.
        on_fallback: receives the context of each call of ``exec_fallback``, before it.
        travels: what the items bring is sent away: no frames are kept with their errors.
    """

    def __init__(
        self,
        node: Fanout[Any, Any],
        policy: BatchPolicy,
        *,
        batch_id: str = "",
        run_id: str | None = None,
        cancelled: Callable[[], bool] | None = None,
        on_progress: Callable[[ItemContext, float, float | None], None] | None = None,
        on_heartbeat: Callable[[ItemContext], None] | None = None,
        on_fallback: Callable[[ItemContext], None] | None = None,
        gate: Gate | None = None,
        travels: bool = False,
    ) -> None:
        self._travels = travels
        self.node = node
        self.gate = gate
        self.on_fallback = on_fallback
        self.exec = node.item_call()
        self.called = f"{node.name}.exec"
        self.timeout_s = policy.timeout
        self.batch_id = batch_id
        self.cancelled = cancelled
        self.around = ItemContext(
            config=node.config, run_id=run_id, node=node.name, on_progress=on_progress, on_heartbeat=on_heartbeat
        )
        self._pid = os.getpid()
        self._exec_wants_ctx = wants_ctx(self.exec)
        self._fallback_wants_ctx = wants_ctx(node.exec_fallback)
        self._exec_is_async = is_async(self.exec)
        self.is_async = self._exec_is_async or is_async(node.exec_fallback)
        self.is_plain = not self._exec_wants_ctx and policy.timeout is None

    def is_failure(self, exc: BaseException) -> bool:
        """Whether *exc*, raised by ``exec``, is a failure of its item only, not the end of the batch or process."""
        if isinstance(exc, asyncio.CancelledError):
            return not _is_being_cancelled()
        if isinstance(exc, SystemExit):
            # A child process that the item has forked must exit, and not continue the batch.
            return os.getpid() == self._pid and not _told_to_end(exc)
        if isinstance(exc, KeyboardInterrupt):
            # In a worker's process Ctrl-C is ignored: nobody but the item can have raised it.
            return os.getpid() == self._pid and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return not isinstance(exc, _ENDS_MORE)

    def context(self, index: int, item: Any, attempt: int) -> ItemContext:
        """The context of one try of one item."""
        around, key_of = self.around, self.node.key_of
        return ItemContext(
            attempt,
            index,
            None if key_of is None else key_of(item),
            around.config,
            around.run_id,
            around.node,
            f"{self.batch_id}:{index}",
            around.is_cancelled if self.cancelled is None else self.cancelled,
            around.on_progress,
            around.on_heartbeat,
        )

    async def one_try_async(self, index: int, item: Any, attempt: int) -> Any:
        """Like ``one_try``, in an event loop."""
        call = self._entered(index, item, attempt)
        if self.timeout_s is not None:
            return await call_async(bounded, (self.timeout_s, call, (item,)))
        return await (call(item) if self._exec_is_async else call_async(call, (item,)))

    @async_twin(one_try_async)
    def one_try(self, index: int, item: Any, attempt: int) -> Any:
        """Call ``exec`` once in the context of this try, which remains the current context."""
        call = self._entered(index, item, attempt)
        value = call(item) if self.timeout_s is None else call_within(self.timeout_s, call, item)
        if is_awaitable(type(value)):
            raise unawaited(self.called, value)
        return value

    def settle(
        self,
        index: int,
        item: Any,
        attempt: int,
        exc: BaseException | None = None,
        park_over_s: float | None = None,
        entry: Entry | None = None,
        retry_over_s: float | None = None,
    ) -> Steps[ItemDone]:
        """Try *item* until it is done, parked or failed; its exceptions are not raised.

        Args:
            index: its index in the batch.
            item: the item.
            attempt: number of the next try, from 0; with *exc*, of the try that failed.
            exc: the exception of a try that the caller has made.
            park_over_s: a longer wait parks the item (None: it sleeps for any time).
            entry: the gate's answer for the next try, if it was entered already.
            retry_over_s: the same for waits between two tries (None: as *park_over_s*).

        Returns:
            The end of the item; its ``seconds`` include neither waits nor the try that the caller has made.
        """
        busy_s = 0.0
        if retry_over_s is None:
            retry_over_s = park_over_s
        while True:
            if exc is None:
                if self.gate is not None:
                    entry = yield from self.let_in(index, item, attempt, park_over_s, entry)
                    if not isinstance(entry, Go):
                        return (yield from self._not_tried(index, item, attempt, entry, busy_s))
                began = perf_counter()
                try:
                    value = yield self.one_try, (index, item, attempt)
                except Left as left:
                    return self.left(index, attempt, left, busy_s + perf_counter() - began)
                except BaseException as error:
                    if not self.is_failure(error):
                        raise
                    exc = error
                    busy_s += perf_counter() - began
                else:
                    busy_s += perf_counter() - began
                    if isinstance(entry, Go) and self.gate is not None:
                        yield from self.gate.succeeded(entry, value)
                    return self.succeeded(index, value, attempt, busy_s)
                if isinstance(entry, Go) and self.gate is not None:
                    wrong = yield from self.gate.failed(entry, as_failure(exc))
                    if wrong is not None:
                        return self.failed(index, wrong, attempt, busy_s)
                entry = None
            if not isinstance(exc, Exception):
                return self.failed(index, as_failure(exc), attempt, busy_s)
            try:
                delay_s = self.delay_s(index, item, exc, attempt)
            except Exception as error:
                # A retry decision that raises is a failure of this item only.
                return self.failed(index, error, attempt, busy_s)
            if delay_s is None:
                return (yield from self._fall_back(index, item, attempt, exc, busy_s))
            attempt += 1
            if retry_over_s is not None and delay_s > retry_over_s:
                return ItemDone(park=Park(index, attempt, delay_s, retry_reason(exc)), seconds=busy_s)
            if delay_s > 0:
                yield self.wait, (delay_s,)
            exc = None

    def enter(
        self, index: int, item: Any, attempt: int, park_over_s: float | None, *, apart: bool = False
    ) -> Steps[Entry]:
        """Enter the gate with the next try of *item*; see :meth:`Gate.enter`. There must be a gate."""
        assert self.gate is not None
        return (yield from self.gate.enter(index, item, self.wait, park_over_s, first=attempt == 0, apart=apart))

    def let_in(
        self, index: int, item: Any, attempt: int, park_over_s: float | None, entry: Entry | None
    ) -> Steps[Go | Hit | Refused | Held]:
        """Enter the gate until its answer is final; *entry* is its earlier answer, if any."""
        while entry is None or isinstance(entry, Later):
            if entry is not None:
                yield self.wait, (entry.seconds,)
            entry = yield from self.enter(index, item, attempt, park_over_s)
        return entry

    def _not_tried(
        self, index: int, item: Any, attempt: int, entry: Hit | Refused | Held, busy_s: float
    ) -> Steps[ItemDone]:
        """The end of an item that the gate did not let in: cached, parked, failed or fallback."""
        if isinstance(entry, Hit):
            return ItemDone(entry.value, Outcome(index, "ok", attempts=0))
        if isinstance(entry, Held):
            return ItemDone(park=Park(index, attempt, entry.seconds, entry.reason), seconds=busy_s)
        if isinstance(entry.error, CircuitOpen):
            return (yield from self._fall_back(index, item, attempt - 1, entry.error, busy_s))
        return self.failed(index, entry.error, attempt - 1, busy_s)

    def delay_s(self, index: int, item: Any, exc: Exception, attempt: int) -> float | None:
        """Seconds until the next try of *item*, whose try number *attempt* failed with *exc*; None: no more.

        Raises:
            TypeError: the node's ``retry_delay`` returned something else.
            Exception: an exception of ``retry_delay`` itself.
        """
        delay_s: Any = self.node.retry_delay(exc, attempt)
        if delay_s is None or isinstance(delay_s, Real):
            return None if delay_s is None else float(delay_s)
        raise TypeError(
            f"{self.node.name}.retry_delay returned {delay_s!r}: it returns seconds, or None for no more tries"
        )

    def succeeded(self, index: int, value: Any, attempt: int, seconds: float) -> ItemDone:
        """The ItemDone of an item whose try returned *value*."""
        outcome = Outcome(index, "ok", attempts=attempt + 1) if attempt else None
        return _done(value, outcome, seconds)

    def left(self, index: int, attempt: int, left: Left, seconds: float) -> ItemDone:
        """The ItemDone of a try that was left to wait: the item is parked and continues the same try."""
        park = Park(index, attempt, left.due_in_s, left.reason, left.facts, left.reached)
        return ItemDone(park=park, seconds=seconds)

    async def _wait_async(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    @async_twin(_wait_async)
    def wait(self, seconds: float) -> None:
        """Sleep *seconds* between two tries.

        Raises:
            Interrupted: the batch was closed meanwhile.
        """
        if not sleep_unless(self.cancelled or self.around.is_cancelled, seconds):
            raise Interrupted

    def _entered(self, index: int, item: Any, attempt: int) -> Callable[[Any], Any]:
        """Enter the context of a try and return the function it calls."""
        context = self.context(index, item, attempt)
        enter_context(context)
        return partial(self.exec, ctx=context) if self._exec_wants_ctx else self.exec

    def _fall_back(self, index: int, item: Any, attempt: int, exc: Exception, busy_s: float) -> Steps[ItemDone]:
        fallback: Callable[..., Any] = self.node.exec_fallback
        began = perf_counter()
        try:
            context = self.context(index, item, attempt)
            enter_context(context)
            if self._fallback_wants_ctx:
                fallback = partial(fallback, ctx=context)
            if self.on_fallback is not None:
                self.on_fallback(context)
            value = yield self._answered, (fallback, item, exc)
            if self.node.brought is not None:
                value = self.node.brought(value)
        except BaseException as error:
            if not self.is_failure(error):
                raise
            return self.failed(index, as_failure(error), attempt, busy_s + perf_counter() - began)
        outcome = Outcome(index, "fallback", error=self._kept(exc), attempts=attempt + 1)
        return _done(value, outcome, busy_s + perf_counter() - began)

    async def _answered_async(self, fallback: Callable[..., Any], item: Any, exc: Exception) -> Any:
        return await call_async(fallback, (item, exc))

    @async_twin(_answered_async)
    def _answered(self, fallback: Callable[..., Any], item: Any, exc: Exception) -> Any:
        value = fallback(item, exc)
        if is_awaitable(type(value)):
            raise unawaited(f"{self.node.name}.exec_fallback", value)
        return value

    def failed(self, index: int, error: Exception, attempt: int, busy_s: float) -> ItemDone:
        """The ItemDone of an item whose last try, number *attempt*, failed with *error*."""
        self.node.note_failed_item(error, index, attempt)
        outcome = Outcome(index, "failed", error=self._kept(error), attempts=attempt + 1)
        return ItemDone(None, outcome, None, busy_s)

    def _kept(self, error: Exception) -> Exception:
        """*error* as the outcome of its item holds it."""
        drop_flowq_frames(error)
        kept = portable(error)
        return without_frames(kept) if self._travels else kept


def _done(value: Any, outcome: Outcome | None, seconds: float) -> ItemDone:
    if type(value) is FlowItem:
        return ItemDone(value.value, outcome, None, seconds, value.delta)
    return ItemDone(value, outcome, None, seconds)
