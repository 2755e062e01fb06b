"""TriesTogether: runs the tries of a group of items as one call of ``exec_many``, with an outcome per item.

The groups are formed by in_order.py and in_flight.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.done import ItemDone, Park
from flowq.batch.running.gate import Entry, Go
from flowq.batch.running.tries import Tries, as_failure, is_awaitable, retry_reason, unawaited
from flowq.core.callables import is_async, wants_ctx
from flowq.core.context import ItemContext
from flowq.core.drive import Steps
from flowq.core.journey import Left
from flowq.errors import FlowError
from flowq.portable import notes_of

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout

_NO_LISTS = (Mapping, set, frozenset, str, bytes, bytearray)

Given = tuple[int, Any, int, Entry | None]  # index, item, tries used, the gate's answer for the next try


@dataclass(slots=True)
class Member:
    """An item of a group without an outcome yet."""

    place: int
    index: int
    item: Any
    attempt: int
    entry: Entry | None
    busy_s: float = 0.0
    wait_s: float = 0.0


class TriesTogether(Tries):
    """Runs the tries of groups of items of one batch.

    Attributes:
        group_size: most items per call.
        watch: ``watch(index)`` is called before each call, with the index of its first item.
    """

    watch: Callable[[int], object] | None = None

    def __init__(self, node: Fanout[Any, Any], policy: BatchPolicy, **given: Any) -> None:
        super().__init__(node, policy, **given)
        assert node.exec_many is not None
        self.group_size = policy.group_size
        self.exec = node.exec_many
        self.called = f"{node.name}.exec_many"
        self._exec_wants_ctx = wants_ctx(self.exec)
        self._exec_is_async = is_async(self.exec)
        self.is_async = self._exec_is_async or is_async(node.exec_fallback)

    def context(self, index: int, item: Any, attempt: int) -> ItemContext:
        """The context of one try; for a call of many items, that of the first."""
        return super().context(index, item[0] if type(item) is _Call else item, attempt)

    def settle_group(self, group: Sequence[Given], park_over_s: float | None = None) -> Steps[list[ItemDone]]:
        """Try the items of *group* until each is done, parked or failed; their exceptions are not raised.

        A call that raises is a failed try of all its items. Their last try is made one by one, so that an item that
        makes its calls fail does not fail the others.
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
        """Split *pending* into items to try now and items to enter later: the probe of an open circuit is tried alone.

        The gate lets in no other item before the probe's call has ended, so the call must not wait for others.
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
        """Enter the gate with *member*; returns its outcome if it is not let in, else None."""
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
        """Make one call; returns a value or an exception for each item."""
        first, items = members[0], _Call(member.item for member in members)
        if self.watch is not None:
            self.watch(first.index)
        began = perf_counter()
        try:
            answers = self._listed((yield self.one_try, (first.index, items, first.attempt)), len(members))
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

    def _listed(self, answers: Any, n: int) -> list[Any]:
        """*answers* to a call with *n* items, as a list.

        Raises:
            FlowError: they are not *n* in the order of the items.
        """
        # A dict or a set can be iterated, too: what its keys or its order give are not the items' results.
        if isinstance(answers, _NO_LISTS) or not isinstance(answers, Iterable):
            returned = f"a {type(answers).__name__}, not a list of results"
        else:
            listed = list(answers)
            if len(listed) == n:
                return listed
            returned = f"{len(listed)} results for {n} items"
        raise FlowError(
            f"{self.node.name}.exec_many returned {returned}: it returns one for each item, in their order; an "
            "exception in a place is the failure of that item"
        )

    def _judge(self, member: Member, answer: Any, park_over_s: float | None) -> Steps[ItemDone | None]:
        """The outcome of the item; None if it is tried again, after its ``wait_s``."""
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
    """The items of one call. A separate class, to distinguish it from an item that is a list."""


def _brought(brought: Callable[[Any], Any], answer: Any) -> Any:
    if isinstance(answer, BaseException) or is_awaitable(type(answer)):
        return answer  # not a value
    try:
        return brought(answer)
    except Exception as error:  # a failure of this item only
        return error


def _twin(error: BaseException) -> BaseException:
    """A copy of *error* for one of several items, as each gets its own notes; *error* itself if it cannot be copied."""
    try:
        twin = copy.copy(error)
        twin.__dict__.update(vars(error), __notes__=notes_of(error))
    except Exception:  # for example its constructor takes other arguments than it stores
        return error
    twin.__cause__, twin.__suppress_context__ = error.__cause__, error.__suppress_context__
    return twin.with_traceback(error.__traceback__)


def probes(entry: Entry | None) -> bool:
    """Whether the item with this gate entry is the probe of an open circuit, which must be called alone."""
    return isinstance(entry, Go) and entry.probes
