"""The producer's side: submit batches to a fleet, watch them, read them back. Never imports ``flowq.worker``."""

from __future__ import annotations

from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.settings import Settings

__all__ = ["BatchHandle", "CeleryExecutor", "connect"]


def connect(settings: Settings | str | None = None) -> CeleryExecutor:
    """The executor for a fleet.

    Args:
        settings: Settings, a broker URL, or None for what ``FLOWQ_…`` says.

    Raises:
        NoRedis: nothing answers there.
    """
    if isinstance(settings, str):
        settings = Settings(broker_url=settings)
    executor = CeleryExecutor(settings or Settings())
    executor.connections.check()
    return executor
