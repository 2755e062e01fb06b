"""BatchJourney: the interface of a resumable walk at batch nodes, where it is left until the batch has ended.

The engine implements it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from flowq.batch.executor import BatchJob
from flowq.batch.results.result import BatchResult
from flowq.core.context import ItemContext
from flowq.core.drive import Steps
from flowq.core.journey import Journey
from flowq.core.store.overlay import Overlay

if TYPE_CHECKING:
    from flowq.batch.batchflow import BatchFlow
    from flowq.batch.fanout import Fanout


class BatchJourney(Journey):
    """A journey that starts batches and waits for them.

    Attributes:
        kept: the encoded state from which an item continues if it is left before its next checkpoint.
    """

    kept: bytes = b""

    def waits_for_batch(self) -> bool:
        """Whether the walk was left at the next node while its batch ran."""
        raise NotImplementedError

    def continues_from_batch(self) -> bool:
        """Whether that was in this generation; in a redrive the batch is started again."""
        raise NotImplementedError

    def fan_out(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """Start the batch; returns its result if it ended at once.

        Raises:
            Left: the batch is running.
            BatchError: items failed, as the policy's ``on_error`` and ``max_failures`` say.
        """
        raise NotImplementedError

    def collect(self, node: Fanout[Any, Any], shared: Any) -> Steps[tuple[Any, BatchResult[Any]] | None]:
        """The items and the result of the batch that was waited for; None if it must be started again, as it is gone or
        lacks items.

        Raises:
            Left: the batch is still running.
            BatchError: items failed, as the policy's ``on_error`` and ``max_failures`` say.
        """
        raise NotImplementedError

    def arrived(self, shared: Overlay, action: str | None) -> Any:
        """The walk has ended; returns the value of its item."""
        raise NotImplementedError


class Journeys(Protocol):
    """Creates the journeys of a batch's items."""

    def __call__(self, flow: BatchFlow, ctx: ItemContext, store: Overlay) -> BatchJourney:
        """The journey of one try of an item. If the item was left, *store* is restored to the state it had then.

        Raises:
            Left: the state could not be read.
        """
        ...

    def go_on(self, index: int) -> bool:
        """Whether the item at *index* was left in this generation, so that its journey continues."""
        ...
