"""ToldTries and ToldTriesTogether: tries that call hooks with the events of items."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from flowq.batch.results.done import FlowItem, ItemDone
from flowq.batch.results.outcome import key_for_people
from flowq.batch.running.together import Member, TriesTogether
from flowq.batch.running.tries import Tries
from flowq.core.drive import Steps, async_twin
from flowq.core.hooks import Listeners


class _Told(Tries):
    """The events that both kinds have in common.

    Args:
        listeners: the hooks, at least one of which wants events of items.
        worker: name of this process in the events; "" for the producer's own.
    """

    def __init__(self, *args: Any, listeners: Listeners, worker: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listeners, self._worker = listeners, worker
        self.is_plain = False

    def delay_s(self, index: int, item: Any, exc: Exception, attempt: int) -> float | None:
        """See :meth:`Tries.delay_s`."""
        delay_s = super().delay_s(index, item, exc, attempt)
        if delay_s is not None:
            self._tell("retry", index, item, attempt, error=exc, delay_s=delay_s)
        return delay_s

    def failed(self, index: int, error: Exception, attempt: int, busy_s: float) -> ItemDone:
        """See :meth:`Tries.failed`."""
        self._listeners.tell(
            "item_error", self.node.name, item_index=index, attempt=attempt, error=error, seconds=busy_s,
            run_id=self.around.run_id, worker=self._worker,
        )  # fmt: skip
        return super().failed(index, error, attempt, busy_s)

    def _fall_back(self, index: int, item: Any, attempt: int, exc: Exception, busy_s: float) -> Steps[ItemDone]:
        done = yield from super()._fall_back(index, item, attempt, exc, busy_s)
        if done.outcome is not None and done.outcome.status == "fallback":
            self._tell("end", index, item, attempt, result=done.value, error=exc, seconds=done.seconds)
        return done

    def _tell(self, what: str, index: int, item: Any, attempt: int, **fields: Any) -> None:
        self._listeners.tell(
            f"item_{what}", self.node.name, item_index=index, item_key=key_for_people(self.node.key_of, item),
            attempt=attempt, run_id=self.around.run_id, worker=self._worker, **fields,
        )  # fmt: skip


class ToldTries(_Told):
    """Tries with events, one item per call."""

    async def one_try_async(self, index: int, item: Any, attempt: int) -> Any:
        """Like ``one_try``, in an event loop."""
        began = self._begin(index, item, attempt)
        value = await super().one_try_async(index, item, attempt)
        self._end(index, item, attempt, value, began)
        return value

    @async_twin(one_try_async)
    def one_try(self, index: int, item: Any, attempt: int) -> Any:
        """See :meth:`Tries.one_try`."""
        began = self._begin(index, item, attempt)
        value = super().one_try(index, item, attempt)
        self._end(index, item, attempt, value, began)
        return value

    def _begin(self, index: int, item: Any, attempt: int) -> float:
        if attempt == 0 and not self.node.item_continues(index):
            self._tell("start", index, item, attempt)
        return perf_counter()

    def _end(self, index: int, item: Any, attempt: int, value: Any, began: float) -> None:
        result = value.value if type(value) is FlowItem else value
        self._tell("end", index, item, attempt, result=result, seconds=perf_counter() - began)


class ToldTriesTogether(_Told, TriesTogether):
    """Tries with events, many items per call."""

    def _call(self, members: list[Member]) -> Steps[list[Any]]:
        for member in members:
            if member.attempt == 0:
                self._tell("start", member.index, member.item, 0)
        return (yield from super()._call(members))

    def _judge(self, member: Member, answer: Any, park_over_s: float | None) -> Steps[ItemDone | None]:
        if not isinstance(answer, Exception):
            result = answer.value if type(answer) is FlowItem else answer
            self._tell("end", member.index, member.item, member.attempt, result=result, seconds=member.busy_s)
        return (yield from super()._judge(member, answer, park_over_s))
