"""Items that go through their tries together, as one call of ``exec_many``; what becomes of them stays one by one.

Never here: which items make a group (in_order, in_flight).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flowq.batch.chunk import ItemDone, Park
from flowq.batch.gate import Entry, Go
from flowq.batch.policy import BatchPolicy
from flowq.batch.tries import Tries, as_failure, is_awaitable, retry_reason, unawaited
from flowq.core.callables import is_async, wants_ctx
from flowq.core.context import ItemContext
from flowq.core.drive import Steps
from flowq.core.journey import Left
from flowq.errors import FlowError
from flowq.portable import notes_of

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout

GROUP = 100
"""Items of one call when the policy gives no ``chunk_size``: what many services take at once."""

Given = tuple[int, Any, int, Entry | None]  # index, item, tries used, what the gate has answered for the next


@dataclass(slots=True)
class Member:
    """One item of a group that has no outcome yet."""

    place: int
    index: int
    item: Any
    attempt: int
    entry: Entry | None
    busy_s: float = 0.0
    wait_s: float = 0.0


class TriesTogether(Tries):
    """Takes groups of items of one batch through their tries.

    Attributes:
        group_size: items of one call at most.
        watch: ``watch(index)`` is called before each call, with the index of its first item.
    """

    watch: Callable[[int], object] | None = None

    def __init__(self, node: Fanout[Any, Any], policy: BatchPolicy, **given: Any) -> None:
        super().__init__(node, policy, **given)
        assert node.exec_many is not None
        self.group_size = group_size(policy)
        self.exec = node.exec_many
        self.called = f"{node.name}.exec_many"
        self._exec_wants_ctx = wants_ctx(self.exec)
        self._exec_is_async = is_async(self.exec)
        self.is_async = self._exec_is_async or is_async(node.exec_fallback)

    def context(self, index: int, item: Any, attempt: int) -> ItemContext:
        """The context of one try; of a call of many, that of its first item."""
        return super().context(index, item[0] if type(item) is _Call else item, attempt)

    def settle_group(self, group: Sequence[Given], park_over_s: float | None = None) -> Steps[list[ItemDone]]:
        """Try the items of *group* until each is done, parked or failed; never raises for what they do.

        A call that raises has failed for all its items. Their last try is made one by one, so that an item which spoils
        the calls it is in hurts no other one.
        """
        ended: list[ItemDone | None] = [None] * len(group)
        pending = [Member(place, index, item, tries, entry) for place, (index, item, tries, entry) in enumerate(group)]
        while pending:
            let_in, rest = yield from self._let_in(pending, ended, park_over_s)
            again = []
            for some in self._calls(let_in):
                for member, answer in zip(some, (yield from self._call(some)), strict=True):
                    ended[member.place] = yield from self._judge(member, answer, park_over_s)
                    if ended[member.place] is None:
                        again.append(member)
            wait_s = max((member.wait_s for member in again), default=0.0)
            if wait_s > 0:
                yield self.wait, (wait_s,)
            pending = rest + again
        return [done for done in ended if done is not None]

    def _let_in(
        self, pending: list[Member], ended: list[ItemDone | None], park_over_s: float | None
    ) -> Steps[tuple[list[Member], list[Member]]]:
        """Who of *pending* is tried now, and who has to ask after that: all but the one that probes an open circuit.

        Nobody else would be let in before its call, which would wait for them.
        """
        let_in: list[Member] = []
        for at, member in enumerate(pending, 1):
            ended[member.place] = yield from self._entering(member, park_over_s)
            if ended[member.place] is not None:
                continue
            if probes(member.entry):
                return [member], let_in + pending[at:]
            let_in.append(member)
        return let_in, []

    def _entering(self, member: Member, park_over_s: float | None) -> Steps[ItemDone | None]:
        """Have the gate let *member* in; what becomes of it otherwise."""
        if self.gate is None:
            return None
        entry = yield from self.let_in(member.index, member.item, member.attempt, park_over_s, member.entry)
        member.entry = entry
        if isinstance(entry, Go):
            return None
        return (yield from self._not_tried(member.index, member.item, member.attempt, entry, member.busy_s))

    def _calls(self, pending: list[Member]) -> list[list[Member]]:
        last = self.node.retry.attempts - 1
        alone = [member for member in pending if member.attempt >= last > 0]
        together = [member for member in pending if not (member.attempt >= last > 0)]
        return [*([together] if together else []), *([member] for member in alone)]

    def _call(self, members: list[Member]) -> Steps[list[Any]]:
        """One call: for each item what it came to, or an exception."""
        first, items = members[0], _Call(member.item for member in members)
        if self.watch is not None:
            self.watch(first.index)
        began = perf_counter()
        try:
            answers = list((yield self.one_try, (first.index, items, first.attempt)))
            if len(answers) != len(members):
                raise FlowError(
                    f"{self.node.name}.exec_many returned {len(answers)} results for {len(members)} items: it returns "
                    "one for each, in their order; an exception in a place is the failure of that item"
                )
            if self.node.brought is not None:
                answers = [_brought(self.node.brought, answer) for answer in answers]
        except Left:
            answers = [FlowError(f"{self.node.name}.exec_many cannot wait for an event or a batch")] * len(members)
        except BaseException as error:
            if not self.is_failure(error):
                raise
            answers = [_twin(error) for _ in members]
        took_s = (perf_counter() - began) / len(members)
        for member in members:
            member.busy_s += took_s
        return answers

    def _judge(self, member: Member, answer: Any, park_over_s: float | None) -> Steps[ItemDone | None]:
        """How the item ended; None if it is to be tried again, after its ``wait_s``."""
        entry, member.entry = member.entry, None
        if is_awaitable(type(answer)):
            answer = unawaited(self.called, answer)
        if not isinstance(answer, BaseException):
            if self.gate is not None and isinstance(entry, Go):
                yield from self.gate.succeeded(entry, answer)
            return self.succeeded(member.index, answer, member.attempt, member.busy_s)
        if self.gate is not None and isinstance(entry, Go):
            wrong = yield from self.gate.failed(entry, as_failure(answer))
            if wrong is not None:
                return self.failed(member.index, wrong, member.attempt, member.busy_s)
        if not isinstance(answer, Exception):
            return self.failed(member.index, as_failure(answer), member.attempt, member.busy_s)
        try:
            delay_s = self.delay_s(member.index, member.item, answer, member.attempt)
        except Exception as error:
            return self.failed(member.index, error, member.attempt, member.busy_s)
        if delay_s is None:
            return (yield from self._fall_back(member.index, member.item, member.attempt, answer, member.busy_s))
        member.attempt, member.wait_s = member.attempt + 1, delay_s
        if park_over_s is not None and delay_s > park_over_s:
            park = Park(member.index, member.attempt, delay_s, retry_reason(answer))
            return ItemDone(park=park, seconds=member.busy_s)
        return None


class _Call(list[Any]):
    """The items of one call. A class of its own, so that it cannot be taken for an item that is a list."""


def _brought(brought: Callable[[Any], Any], answer: Any) -> Any:
    if isinstance(answer, BaseException) or is_awaitable(type(answer)):
        return answer  # no value
    try:
        return brought(answer)
    except Exception as error:  # the failure of this item alone
        return error


def _twin(error: BaseException) -> BaseException:
    """*error* for one of several items: each failure is noted on an exception of its own."""
    try:
        twin = copy.copy(error)
        twin.__dict__.update(vars(error), __notes__=notes_of(error))
    except Exception:  # its constructor takes other arguments than it keeps
        return error
    twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
    return twin.with_traceback(error.__traceback__)


def probes(entry: Entry | None) -> bool:
    """Whether an item with this answer of the gate is to be called alone: an open circuit is judged by it."""
    return isinstance(entry, Go) and entry.probes


def group_size(policy: BatchPolicy) -> int:
    """Items of one call of ``exec_many`` at most."""
    return GROUP if policy.chunk_size == "auto" else policy.chunk_size
