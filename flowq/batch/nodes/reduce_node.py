"""ReduceNode: reduces the items at one key of the store to one value; on workers in folds of the aggregation."""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, Unpack

from flowq.batch.executor import Executor
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.nodes.keyed import Worked, defines, needs_class, refuse_without_work, then
from flowq.batch.options import BatchNodeOptions
from flowq.batch.results.deltas import fold_runs
from flowq.batch.results.done import Done, FlowItem
from flowq.batch.results.result import BatchResult
from flowq.core.callables import is_async
from flowq.core.context import ItemContext
from flowq.core.functional import class_of
from flowq.core.node import Node
from flowq.core.store.reducers import MISSING

Partial = tuple[Any, ...]  # the value of some neighbouring items: (value,), or () for no items


class ReduceNode(Worked[Any, Any]):
    """Reduces ``shared[items]`` to ``fn(fn(fn(initial, x0), x1), x2)``, in item order.

    ``shared[out]`` is the value, ``shared["processed_count"]`` the number of items in it.

    With *associative* the items run on workers: each process combines its items, the folds of the aggregation combine
    those values in item order, and *initial* is combined last, on the left. *fn* must then take two values of the same
    kind, as ``operator.add`` does, and be associative; it need not be commutative. Only the value is returned, not one
    per item.

    Args:
        fn: ``fn(value, item) -> value``, a sync function; it may modify and return *value*, but not modify *item*.
            None: a subclass defines ``combine``.
        initial: the initial value; without it there must be at least one item, which is then the initial value.
        items: key of the items, any iterable.
        out: key for the value.
        associative: whether ``fn(fn(a, b), c)`` equals ``fn(a, fn(b, c))``.
        each: function, or node, whose result for an item is given to *fn*; may be async (None: the item itself, or
            ``exec`` of a subclass).
        **options: as for any batch node, see :class:`~flowq.batch.fanout.Fanout`; they apply to *each*. With
            ``on_error="collect"`` or "skip" a failed item is left out. ``cache`` is not allowed.

    To run on workers, functions must be decorated with ``@flowq.register``, or be defined at module level in a module
    that also creates this node at module level.
    """

    reduces: ClassVar[bool] = True
    role: ClassVar[str] = "combine"

    combine: Callable[[Any, Any], Any]

    def __new__(cls, fn: Any = None, *args: Any, each: Any = None, **kwargs: Any) -> Self:
        functions = {}
        if needs_class(cls, "combine", fn):
            functions["combine"], fn = fn, None
        if needs_class(cls, "exec", each):
            functions["exec"], each = each, None
        kind: type[Self] = class_of(cls.__name__, (cls,), functions) if functions else cls
        given = {} if each is None else {"each": each}
        return super().__new__(kind, fn, *args, **given, **kwargs)

    def __init__(
        self,
        fn: Callable[[Any, Any], Any] | None = None,
        initial: Any = MISSING,
        *,
        items: str = "items",
        out: str = "result",
        associative: bool = False,
        each: Callable[..., Any] | Node[Any, Any] | None = None,
        **options: Unpack[BatchNodeOptions],
    ) -> None:
        super().__init__(items=items, out=out, **self.adopted(each, options))
        self.initial, self.associative = initial, associative
        self.is_local = not associative
        self.take_function("combine", fn)
        self.take_function("exec", each)
        refuse_without_work(self, "combine")
        if is_async(self.combine):
            raise TypeError("what combines two values is a plain function; work that waits belongs in each=")

    def executor(self) -> Executor:
        """The active executor for an associative reduction, else this process, one item after another."""
        return super().executor() if self.associative else InlineExecutor(sequential=True)

    def reduce(self, items: Any) -> Any:
        """Reduce *items* without a store; returns the value."""
        shared: dict[str, Any] = {self.items_key: items}
        self.run(shared)
        return shared[self.out_key]

    # -- one item --------------------------------------------------------------------------------------------------

    def item_call(self) -> Callable[..., FlowItem | Awaitable[FlowItem]]:
        """The function that turns an item into a partial of its own, without a value."""
        if self.child is None and "exec" not in vars(self) and not defines(type(self), "exec"):
            return _itself
        return then(super().item_call(), self.brought)

    @staticmethod
    def brought(value: Any) -> FlowItem:
        """*value* of one item as a partial."""
        return FlowItem(None, (value,))

    # -- many items ------------------------------------------------------------------------------------------------

    def condensed(self, partials: Sequence[Partial | None]) -> list[Partial | None]:
        """Each series of neighbouring partials combined in its first place; *partials* are not changed."""
        return fold_runs(partials, self._fold_copy) if self.associative else list(partials)

    def fold(self, partials: Sequence[Partial]) -> Partial:
        """Combine *partials* of consecutive parts of the batch, in item order."""
        values = [partial[0] for partial in partials if partial]
        return (functools.reduce(self.combine, values),) if values else ()

    def merged(self, runs: Sequence[Done]) -> Any:
        """The combined partial of the items of *runs*."""
        by_index = {
            index: partial
            for done in runs
            for index, partial in enumerate(done.deltas or (), done.start)
            if partial is not None
        }
        partials = [by_index[index] for index in sorted(by_index)]
        if self.associative:
            return self._fold_copy(partials) if partials else ()
        return self.fold([self._beginning(), *partials])

    def _fold_copy(self, partials: Sequence[Partial]) -> Partial:
        """``fold`` with a copy of the first partial, which *fn* may change: it may be the caller's item, or be needed
        unchanged if the combined value cannot be encoded."""
        return self.fold([copy.deepcopy(partials[0]), *partials[1:]])

    def conclude(self, prep_res: Any, result: BatchResult[Any]) -> Mapping[str, Any]:
        """The two keys to write: the value, and the number of items in it."""
        partial: Partial = result.delta
        if self.associative:
            partial = self.fold([self._beginning(), partial])
        if not partial:
            raise ValueError(f"{self.name} has no items to reduce: give it an initial value")
        return {self.out_key: partial[0], "processed_count": len(result.ok)}

    def _beginning(self) -> Partial:
        return () if self.initial is MISSING else (copy.deepcopy(self.initial),)

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """The keys to write, as :meth:`conclude` returned them."""
        found: Mapping[str, Any] = exec_res
        return found


def _itself(item: Any, *, ctx: ItemContext) -> FlowItem:
    return FlowItem(None, (item,))
