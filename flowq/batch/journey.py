"""What a walk that may be left does at a batch: it hands the items over and is left until they are done.

Never here: how (the engine's).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flowq.batch.executor import BatchJob
from flowq.batch.result import BatchResult
from flowq.core.context import ItemContext
from flowq.core.drive import Steps
from flowq.core.journey import Journey
from flowq.core.overlay import Overlay

if TYPE_CHECKING:
    from flowq.batch.batchflow import BatchFlow
    from flowq.batch.fanout import Fanout


class BatchJourney(Journey):
    """A journey on which batch nodes fan out.

    Attributes:
        kept: the state that an item goes on from when it is left before anything more of it was kept.
    """

    kept: bytes = b""

    def waits_for_batch(self) -> bool:
        """Whether the node that is visited next was left while its batch ran."""
        raise NotImplementedError

    def goes_on_from_batch(self) -> bool:
        """Whether it was, in this generation: a batch that is redriven is begun once more."""
        raise NotImplementedError

    def fan_out(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """Start the batch; its result if it ended at once.

        Raises:
            Left: it runs.
            BatchError: what the policy's ``on_error`` and ``max_failures`` say is raised.
        """
        raise NotImplementedError

    def collect(self, node: Fanout[Any, Any], shared: Any) -> Steps[tuple[Any, BatchResult[Any]] | None]:
        """The items of the batch that was waited for, and what came of them; None if it is to be started again: it is
        gone, or lacks items.

        Raises:
            Left: it runs still.
            BatchError: what the policy's ``on_error`` and ``max_failures`` say is raised.
        """
        raise NotImplementedError

    def arrived(self, shared: Overlay, action: str | None) -> Any:
        """The walk is at its end: the value that its item has."""
        raise NotImplementedError


class Journeys(Protocol):
    """Makes the journeys of a batch's items."""

    def __call__(self, flow: BatchFlow, ctx: ItemContext, store: Overlay) -> BatchJourney:
        """The journey of one try of an item. *store* is brought to where the item was left, if it was.

        Raises:
            Left: that could not be read.
        """
        ...

    def go_on(self, index: int) -> bool:
        """Whether the item at *index* was left in this generation, and its journey goes on."""
        ...
