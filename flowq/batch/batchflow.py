"""BatchFlow: a flow that runs once per dict of params, each time on an overlay of the store.

Changes are found in core/store/overlay.py and merged in core/store/merge.py.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel
from typing_extensions import Unpack

from flowq.batch.fanout import Fanout
from flowq.batch.journey import BatchJourney, Journeys
from flowq.batch.options import BatchOptions
from flowq.batch.results.deltas import by_name, by_reducer, fold_deltas, fold_runs, merge_done
from flowq.batch.results.done import Done, FlowItem
from flowq.batch.results.result import BatchResult
from flowq.core.context import ItemContext
from flowq.core.drive import Steps, drive, drive_async, in_loop
from flowq.core.journey import OutOfReach
from flowq.core.node import Node
from flowq.core.retry import Retry
from flowq.core.store.merge import REDUCERS, Delta, LaterWins, Reducers, apply_delta
from flowq.core.store.overlay import Base, MappingBase, Overlay
from flowq.core.store.shared_store import Store
from flowq.core.walks.flow import Flow
from flowq.errors import MergeConflict

Merge = Literal["last"] | Mapping[str, Any]


class BatchFlow(Fanout[Mapping[str, Any], Any], Flow):
    """Runs the flow once per dict of params that ``prep`` returns, wherever the active executor runs items.

    Each item's nodes see ``{**self.params, **item}`` as their params, and an overlay of the shared store of their own:
    no item sees the writes of another. The changes of the items are merged in item order into the shared store before
    ``post(shared, prep_res, result)`` is called; an item that failed changes nothing.

    By default dicts merge deeply and lists are extended; two items that set one key to different values raise a
    MergeConflict that names both. Reducers in the store's schema, or *merge*, change that.

    Args:
        start: the first node.
        collect: the value of an item: "action" for the flow's last action, else the name of a key of the item's store,
            of which the shared store keeps the last value where those of several items cannot be merged.
        merge: "last" (on a conflict the later item wins), or reducers by key, in addition to those of the schema
            (flowq.Add, flowq.Append, ... or their names).
        name, strict, max_steps, config: as for a flow.
        max_retries, wait, retry, timeout and all others: as for a batch node, applied to each item; see
        :class:`~flowq.batch.fanout.Fanout`.

    Attributes:
        base: the base of the items' overlays; the executor sets it, with ``schema`` and ``reducers``.
        schema: the shared store's schema.
        journeys: creates the journeys of items that may be left; None if items run to their end in this process.
        reducers: reducers by key.
    """

    # Submits items, as for any batch node. To submit the BatchFlow as a run: Flow(node).submit(shared).
    submit = Fanout.submit  # type: ignore[assignment]

    carries_changes: ClassVar[bool] = True
    reduces: ClassVar[bool] = True

    base: Base = MappingBase({})
    schema: type[BaseModel] | None = None
    journeys: Journeys | None = None
    reducers: Reducers = MappingProxyType({})
    collect: str = "action"
    last: LaterWins = False

    def __init__(
        self,
        start: Node[Any, Any] | None = None,
        *,
        collect: str = "action",
        merge: Merge | None = None,
        name: str | None = None,
        strict: bool = False,
        max_steps: int | None = None,
        max_retries: int = 1,
        wait: float = 0,
        retry: Retry | None = None,
        timeout: float | None = None,
        config: Mapping[str, Any] | None = None,
        **options: Unpack[BatchOptions],
    ) -> None:
        Flow.__init__(
            self,
            start,
            name=name,
            strict=strict,
            max_steps=max_steps,
            max_retries=max_retries,
            wait=wait,
            retry=retry,
            timeout=timeout,
            config=config,
        )
        self.configure(options)
        if isinstance(merge, str) and merge != "last":
            raise ValueError(f'merge is "last" or reducers by key, not {merge!r}')
        self.collect = collect
        # The values of the collected key are in the result: that they differ is no contradiction.
        self.last = merge == "last" or ((collect,) if collect != "action" else False)
        self.reducers = {}
        if merge is not None and not isinstance(merge, str):
            self.reducers = by_reducer(merge)
            arguments, named = self._arguments[1], by_name(merge)
            if "merge" in arguments:
                # A reducer holds functions, which cannot be sent to workers; the name of a built-in one can.
                arguments["merge"] = named

    @in_loop
    def post(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the flow's action as a node: the default action, unless overridden."""

    def take(self, shared: Any, result: BatchResult[Any]) -> None:
        """Apply the changes of all items in *result* to *shared*, which must have none of them yet."""
        apply_delta(shared, result.delta or {}, self.over(shared).reducers)

    def over(self, shared: Any) -> Self:
        """A copy of this flow whose items run on overlays of *shared*, a dict or a SharedStore (None: empty)."""
        flow = copy.copy(self)
        flow.base = MappingBase({} if shared is None else shared)
        if isinstance(shared, Store):
            flow.schema = shared.schema
            flow.reducers = {**shared.reducers(), **self.reducers}
        return flow

    def merged(self, runs: Sequence[Done]) -> Delta:
        """The merged changes of the items of *runs*.

        Raises:
            MergeConflict: two items set one key to different values.
        """
        return merge_done(runs, self.reducers, self.last)

    def condensed(self, deltas: list[Delta | None]) -> list[Delta | None]:
        """Each series of neighbouring deltas merged into its first place, unless a reducer is a user's function."""
        if all(one in REDUCERS.values() for one in self.reducers.values()):
            with contextlib.suppress(MergeConflict):  # the final fold raises it
                return fold_runs(deltas, self.fold)
        return deltas

    def fold(self, deltas: Sequence[Delta]) -> Delta:
        """Merge *deltas* of consecutive parts of the batch, in item order.

        Raises:
            MergeConflict: two items set one key to different values.
        """
        return fold_deltas(list(deltas), self.reducers, self.last)

    def item_continues(self, index: int) -> bool:
        """See :meth:`Fanout.item_continues`."""
        return self.journeys is not None and self.journeys.go_on(index)

    def item_call(self) -> Callable[..., FlowItem | Awaitable[FlowItem]]:
        """The function that runs one item: a walk over the flow."""
        return self._walk_item_async if self._items_are_async() else self._walk_item

    def _walk_item(self, params: Mapping[str, Any], *, ctx: ItemContext) -> FlowItem:
        return drive(self._item_steps(params, ctx))

    async def _walk_item_async(self, params: Mapping[str, Any], *, ctx: ItemContext) -> FlowItem:
        return await drive_async(self._item_steps(params, ctx))

    def _item_steps(self, params: Mapping[str, Any], ctx: ItemContext) -> Steps[FlowItem]:
        if not hasattr(params, "keys"):
            raise TypeError(
                f'prep of a BatchFlow returns dicts of params, such as [{{"name": 1}}], not {params!r:.200}'
            )
        store = Overlay(self.base, self.schema)
        params = {**self.params, **params}
        journey: BatchJourney | None = None
        try:
            if self.journeys is None:
                action = yield from self.walk(store, params)
                return self._item(store, action, ctx)
            flow = copy.copy(self)
            flow.journey = journey = self.journeys(self, ctx, store)
            journey.enter(flow)
            action = yield from flow.walk(store, params)
            item: FlowItem = yield self._item, (store, action, ctx, journey)
            return item
        except OutOfReach as error:
            if journey is None and isinstance(self.base, MappingBase):
                raise  # this item runs inside another item, on its store: the outer item is left
            raise error.left(b"" if journey is None else journey.kept) from error

    def _item(
        self, store: Overlay, action: str | None, ctx: ItemContext, journey: BatchJourney | None = None
    ) -> FlowItem:
        value = action if self.collect == "action" else store.get(self.collect)
        return FlowItem(value, store.delta(ctx.item_index or 0, self.reducers))

    def _items_are_async(self) -> bool:
        return any(Node.has_async(node) if isinstance(node, Flow) else node.has_async() for node in self.nodes())
