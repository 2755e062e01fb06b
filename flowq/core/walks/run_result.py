"""RunResult: the outcome of a flow's run with all its steps."""

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
        error: the exception it failed with.
        seconds: duration, tries and waits included.
    """

    node: str
    path: str
    action: Any
    error: BaseException | None
    seconds: float


@dataclass(frozen=True, slots=True)
class RunResult:
    """The return value of ``flow.run(shared, run_result=True)``, also when a node has failed.

    Attributes:
        status: "succeeded" or "failed".
        action: the last action.
        error: the exception the run failed with; None if it succeeded.
        shared: the store it ran on.
        steps: the visits in the order they ended, so those inside a nested flow before the flow itself; those inside a
            batch flow's items only if the items ran in this process.
        seconds: duration.
    """

    status: Literal["succeeded", "failed"]
    action: Any
    error: Exception | None
    shared: Any
    steps: tuple[RunStep, ...]
    seconds: float

    def raise_for_error(self) -> RunResult:
        """Raise the run's exception if it failed; else return this result."""
        if self.error is not None:
            raise self.error
        return self


class Recorder(Hook):
    """A hook that records the steps of one run."""

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
        """The result of a run that ended with *action*."""
        return RunResult("succeeded", action, None, shared, tuple(self.steps), self.seconds)

    def failed(self, shared: Any, error: Exception) -> RunResult:
        """The result of a run that failed with *error*."""
        return RunResult("failed", None, error, shared, tuple(self.steps), self.seconds)

    def _step(self, event: Event) -> None:
        self.steps.append(RunStep(event.node, event.path, event.action, event.error, event.seconds or 0.0))
