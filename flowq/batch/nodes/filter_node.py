"""FilterNode: filters the items at one key of the store with a function."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sized
from itertools import islice
from typing import Any, Unpack

from flowq.batch.nodes.keyed import Worked, refuse_without_work, then
from flowq.batch.options import BatchNodeOptions
from flowq.batch.results.result import BatchResult
from flowq.core.node import Item, Node


class FilterNode(Worked[Item, bool]):
    """Calls *keep* with every item of ``shared[items]``, where the active executor runs items, and writes three keys.

    ``shared[out]`` is the list of the items for which it returned a true value, ``shared["original_count"]`` and
    ``shared["filtered_count"]`` are the numbers of items before and after.

    Args:
        keep: a function of one item, or a node whose ``exec`` takes one; either may be async. None: a subclass defines
            ``exec`` or ``exec_many``. To be sent to workers it must meet the conditions of
            :class:`~flowq.batch.nodes.map_node.MapNode`.
        items: key of the items, any iterable.
        out: key for the kept items.
        **options: as for any batch node, see :class:`~flowq.batch.fanout.Fanout`. An item for which *keep* fails ends
            the batch; with ``on_error="collect"`` or "skip" it is not kept.

    Raises:
        TypeError: *keep* is neither a function nor a node, or nothing defines how to judge an item.
    """

    def __init__(
        self,
        keep: Callable[..., Any] | Node[Any, Any] | None = None,
        *,
        items: str = "items",
        out: str = "filtered",
        **options: Unpack[BatchNodeOptions],
    ) -> None:
        super().__init__(items=items, out=out, **self.adopted(keep, options))
        self.take_function("exec", keep)
        refuse_without_work(self, "exec")

    def item_call(self) -> Callable[..., bool | Awaitable[bool]]:
        """The function that decides on one item. It returns a bool, so that workers send no more than that."""
        return then(super().item_call(), self.brought)

    brought = staticmethod(bool)

    def prep(self, shared: Any) -> Any:
        """The items; an iterator is read into a list, up to ``limit`` or ``max_items``, as they are read twice."""
        items = super().prep(shared)
        if isinstance(items, AsyncIterable) and not isinstance(items, Iterable):
            return _Read(items)
        if not isinstance(items, Iterable) or isinstance(items, Sized):
            return items
        most, limit = self.policy().max_items, self.limit
        # One item above max_items is read, so that the batch raises its error.
        return list(islice(items, limit if most is None else most + 1 if limit is None else min(limit, most + 1)))

    def conclude(self, prep_res: Any, result: BatchResult[Any]) -> Mapping[str, Any]:
        """The three keys to write: the kept items and the counts."""
        yes = {outcome.index for outcome in result.ok if outcome.output}
        items = prep_res.items if isinstance(prep_res, _Read) else prep_res or ()
        left = [item for index, item in enumerate(items) if index in yes]
        return {self.out_key: left, "original_count": len(result.items), "filtered_count": len(left)}

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """The keys to write, as :meth:`conclude` returned them."""
        found: Mapping[str, Any] = exec_res
        return found


class _Read(AsyncIterator[Any]):
    """Async items that are recorded while the batch reads them."""

    def __init__(self, given: AsyncIterable[Any]) -> None:
        self._given = aiter(given)
        self.items: list[Any] = []

    async def __anext__(self) -> Any:
        item = await anext(self._given)
        self.items.append(item)
        return item

    async def aclose(self) -> None:
        """Close the given iterator."""
        await self._given.aclose()  # type: ignore[attr-defined]
