"""A durable run as a batch of one item: the item is the whole flow. Never where it runs."""

from __future__ import annotations

from typing import Any, ClassVar

from flowq.batch.batchflow import BatchFlow
from flowq.batch.chunk import FlowItem
from flowq.batch.journey import BatchJourney
from flowq.core.context import ItemContext
from flowq.core.node import Node
from flowq.core.notes import add_visit_note
from flowq.core.overlay import Overlay


class RunFlow(BatchFlow):
    """Walks *root* once. Every node that is done is kept; what the walk leaves in the store is its last state.

    Args:
        root: the flow (or a single node).
    """

    reduces: ClassVar[bool] = False

    def __init__(self, root: Node[Any, Any]) -> None:
        super().__init__(root, name=root.name)

    def _item(
        self, store: Overlay, action: str | None, ctx: ItemContext, journey: BatchJourney | None = None
    ) -> FlowItem:
        return FlowItem(action if journey is None else journey.arrived(store, action), None)

    def note_failed_item(self, error: Exception, index: int, attempt: int) -> None:
        """The node that failed has left its note; that a run is an item is nobody's business."""
        add_visit_note(error, self.name)

    def overhear(self, inner: Node[Any, Any], label: str) -> None:
        """Nothing: who listens to the root is told of it as where it is run alone."""
