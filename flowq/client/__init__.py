"""The producer's side: submit batches to a fleet, watch them, read their results. Never imports ``flowq.worker``."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from flowq.client.attach import get_batch, get_run
from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.engine.app import broker_of
from flowq.engine.connection import Connections
from flowq.errors import ConfigError
from flowq.settings import Settings, redacted

__all__ = ["BatchHandle", "CeleryExecutor", "connect", "get_batch", "get_run"]


def connect(settings: Settings | str | None = None, *, app: Any = None) -> CeleryExecutor:
    """The executor for a fleet.

    Args:
        settings: Settings, a broker URL, or None for the environment's ``FLOWQ_…`` variables.
        app: the Celery app that flowq is installed on, if the workers run a team's own app: messages are sent with it,
            to its broker.

    Raises:
        NoRedis: Redis does not answer.
        ConfigError: *settings* is not the URL of a Redis, or the broker of *app* is not Redis.
    """
    if settings is not None and not isinstance(settings, str | Settings):
        raise TypeError(f"connect takes flowq.Settings or the URL of a Redis, not {type(settings).__name__}")
    settings = _settings_of(settings) if isinstance(settings, str) else settings or Settings()
    if app is not None:
        settings = settings.model_copy(update={"broker_url": broker_of(app)})
    executor = CeleryExecutor(settings, connections=Connections(settings, app))
    executor.connections.check()
    return executor


def _settings_of(url: str) -> Settings:
    try:
        return Settings(broker_url=url)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{redacted(url)!r}: {said}") from None
