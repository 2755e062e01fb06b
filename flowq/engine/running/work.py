"""A batch as one worker process runs it: built from its header once, used for all its chunks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flowq.batch.fanout import Fanout
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.sink import Sink
from flowq.batch.running.gate import Gate
from flowq.batch.running.runner import Runner
from flowq.engine.batches import Header
from flowq.engine.running.slept import Slept
from flowq.engine.walks.journeys import ItemJourneys
from flowq.errors import SinkFailed


@dataclass(frozen=True, slots=True)
class Work:
    """A batch as this process runs it; ``journeys`` is set if its items may be parked in the middle of a walk.

    With ``refused`` no item runs, because this worker may not write to the batch's sink: each ends with that error.
    """

    header: Header
    node: Fanout[Any, Any]
    policy: BatchPolicy
    runner: Runner
    in_flight: int
    journeys: ItemJourneys | None = None
    gate: Gate | None = None
    sink: Sink | None = None
    refused: SinkFailed | None = None
    slept: Slept = field(default_factory=Slept)
