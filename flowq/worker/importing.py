"""The executor while a worker imports the user's modules, when no batch may begin."""

from __future__ import annotations

from typing import Any, NoReturn

from flowq.batch.executor import BatchJob
from flowq.core.drive import Steps
from flowq.core.node import Node
from flowq.errors import ConfigError


class WhileImporting:
    """Refuses every batch: sent to workers it could wait for this very worker, which waits for the import."""

    def execute(self, job: BatchJob) -> Steps[Any]:
        """Raises ConfigError."""
        _refuse(f"a batch ({job.label})")

    def submit(self, job: BatchJob) -> Any:
        """Raises ConfigError."""
        _refuse(f"a batch ({job.label})")

    def submit_run(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> Any:
        """Raises ConfigError."""
        _refuse(f"a flow ({label or flow.name})")


def _refuse(what: str) -> NoReturn:
    raise ConfigError(
        f"a worker imported a module that runs {what} as it is imported. Workers import it to know its "
        "nodes. Put what runs anything under `if __name__ == '__main__':`, or into a function."
    )
