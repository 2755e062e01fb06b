"""What a run of a flow came to, for whoever asks for more than its last action. Never how it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flowq.core.hooks import Event, Hook


@dataclass(frozen=True, slots=True)
class RunStep:
    """One visit of a node.

    Attributes:
        node: its name; path: where it is in the flow, ``"Outer/Parse"``.
        action: the action it returned; None if it failed.
        error: what it failed with.
        seconds: how long it took, tries and waits included.
    """

    node: str
    path: str
    action: Any
    error: BaseException | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """What ``flow.run(shared, run_result=True)`` returns, also when a node has failed.

    Attributes:
        status: "succeeded" or "failed".
        action: the last action.
        error: what the run failed with; None if it succeeded.
        shared: the store it ran on.
        steps: the visits in the order they ended, those of nested flows before the flow's own; those within a batch
            flow's items where these run in this process.
        seconds: how long it took.
    """

    status: Literal["succeeded", "failed"]
    action: Any
    error: Exception | None
    shared: Any
    steps: tuple[RunStep, ...]
    seconds: float

    def raise_for_error(self) -> RunResult:
        """Raise what the run failed with, if it failed; returns this result."""
        if self.error is not None:
            raise self.error
        return self


class Recorder(Hook):
    """Keeps what one run does, in this process."""

    def __init__(self) -> None:
        self.steps: list[RunStep] = []
        self.seconds = 0.0

    def on_node_end(self, event: Event) -> None:
        self._step(event)

    def on_node_error(self, event: Event) -> None:
        self._step(event)

    def on_run_end(self, event: Event) -> None:
        self.seconds = event.seconds or 0.0

    def on_run_error(self, event: Event) -> None:
        self.seconds = event.seconds or 0.0

    def succeeded(self, shared: Any, action: Any) -> RunResult:
        """The run has ended with *action*."""
        return RunResult("succeeded", action, None, shared, tuple(self.steps), self.seconds)

    def failed(self, shared: Any, error: Exception) -> RunResult:
        """The run has failed with *error*."""
        return RunResult("failed", None, error, shared, tuple(self.steps), self.seconds)

    def _step(self, event: Event) -> None:
        self.steps.append(RunStep(event.node, event.path, event.action, event.error, event.seconds or 0.0))
