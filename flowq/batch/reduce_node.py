"""ReduceNode: the items at one key of the store as one value; on workers in the folds of the aggregator.

Never here: how folds are cut and published (the engine's aggregator).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

from flowq.batch.chunk import Done, FlowItem
from flowq.batch.deltas import fold_runs
from flowq.batch.executor import Executor
from flowq.batch.inline import InlineExecutor
from flowq.batch.keyed import Worked, defines, needs_class, refuse_without_work, then
from flowq.batch.result import BatchResult
from flowq.core.callables import is_async
from flowq.core.context import ItemContext
from flowq.core.functional import class_of
from flowq.core.node import Node
from flowq.core.reducers import MISSING

Partial = tuple[Any, ...]  # what some neighbouring items come to: (value,), or () for no items


class ReduceNode(Worked[Any, Any]):
    """Makes one value of ``shared[items]``: ``fn(fn(fn(initial, x0), x1), x2)``, in item order.

    ``shared[out]`` is the value, ``shared["processed_count"]`` how many items are in it.

    With *associative* the items go to the workers: each process combines what it ran, the aggregator's folds combine
    that, and *initial* comes in last, in front. *fn* must then take two values of the same kind, as ``operator.add``
    does, and be associative; it need not be commutative. What comes back is the value alone, however many the items.

    Args:
        fn: ``fn(value, item) -> value``, a plain function; it may change *value* and return it, never *item*. None: a
            subclass defines ``combine``.
        initial: the value of no items; without it there must be items, and the first is where *fn* begins.
        items: key of the items, any iterable.
        out: key of the value.
        associative: ``fn(fn(a, b), c)`` is ``fn(a, fn(b, c))``.
        each: what makes an item into what *fn* is given: a function or a node, either may be async (None: the item
            itself, or what ``exec`` of a subclass says).
        **options: of any batch node, see :class:`~flowq.batch.fanout.Fanout`; they are about *each*. With
            ``on_error="collect"`` or "skip" a failed item is left out. There is no ``cache``.

    For workers, functions are decorated with ``@flowq.register``, or stand at the top of a module with this node beside
    them.
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
        **options: Any,
    ) -> None:
        if isinstance(each, Node):
            options = self.adopt(each, options)
        super().__init__(items=items, out=out, **options)
        self.initial, self.associative = initial, associative
        self.is_local = not associative
        self.take_function("combine", fn)
        self.take_function("exec", each)
        refuse_without_work(self, "combine")
        if is_async(self.combine):
            raise TypeError("what combines two values is a plain function; work that waits belongs in each=")

    def executor(self) -> Executor:
        """The active one for an associative reduction, else this process, where the items are taken in order."""
        return super().executor() if self.associative else InlineExecutor(sequential=True)

    def reduce(self, items: Any) -> Any:
        """The value of *items*, without a store."""
        shared: dict[str, Any] = {self.items_key: items}
        self.run(shared)
        return shared[self.out_key]

    # -- one item --------------------------------------------------------------------------------------------------

    def item_call(self) -> Callable[..., FlowItem | Awaitable[FlowItem]]:
        """One item as a partial of its own; nothing of it is kept beside."""
        if self.child is None and "exec" not in vars(self) and not defines(type(self), "exec"):
            return _itself
        return then(super().item_call(), self.brought)

    @staticmethod
    def brought(value: Any) -> FlowItem:
        """*value* of one item as a partial."""
        return FlowItem(None, (value,))

    # -- many items ------------------------------------------------------------------------------------------------

    def condensed(self, partials: Sequence[Partial | None]) -> list[Partial | None]:
        """Each run of neighbours combined in its first place; *partials* themselves stay as they are."""
        return fold_runs(partials, self._fold_copy) if self.associative else list(partials)

    def fold(self, partials: Sequence[Partial]) -> Partial:
        """*partials* of neighbouring parts of the batch, in item order, as one."""
        values = [partial[0] for partial in partials if partial]
        return (functools.reduce(self.combine, values),) if values else ()

    def merged(self, runs: Sequence[Done]) -> Any:
        """The partial of the items of *runs*."""
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
        """``fold``, whose function may change the first of what it combines: an item of the caller's, or one that is
        needed as it is should the whole not travel."""
        return self.fold([copy.deepcopy(partials[0]), *partials[1:]])

    def conclude(self, prep_res: Any, result: BatchResult[Any]) -> Mapping[str, Any]:
        """The value, and how many items are in it."""
        partial: Partial = result.delta
        if self.associative:
            partial = self.fold([self._beginning(), partial])
        if not partial:
            raise ValueError(f"{self.name} has no items to reduce: give it an initial value")
        return {self.out_key: partial[0], "processed_count": len(result.ok)}

    def _beginning(self) -> Partial:
        return () if self.initial is MISSING else (copy.deepcopy(self.initial),)

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """What :meth:`conclude` found."""
        found: Mapping[str, Any] = exec_res
        return found


def _itself(item: Any, *, ctx: ItemContext) -> FlowItem:
    return FlowItem(None, (item,))
