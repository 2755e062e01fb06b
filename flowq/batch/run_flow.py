"""RunFlow: a durable run as a batch of one item, which is a walk over the whole flow."""

from __future__ import annotations

from typing import Any, ClassVar

from flowq.batch.batchflow import BatchFlow
from flowq.batch.journey import BatchJourney
from flowq.batch.results.done import FlowItem
from flowq.core.context import ItemContext
from flowq.core.node import Node
from flowq.core.notes import add_visit_note
from flowq.core.store.overlay import Overlay


class RunFlow(BatchFlow):
    """Walks *root* once, with a checkpoint after every node. The final store is part of the last checkpoint.

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
        """Add the note of a visit only: that a run is an item is an implementation detail."""
        add_visit_note(error, self.name)

    def relay_events(self, inner: Node[Any, Any], label: str) -> None:
        """Do nothing: *inner*, the root, keeps its own listeners, as if it were run alone."""
