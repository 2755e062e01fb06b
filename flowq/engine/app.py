"""The Celery app that producers send with and flowq's own workers run: its settings only."""

from __future__ import annotations

from bisect import bisect
from typing import Any

from celery import Celery
from celery.result import AsyncResult
from kombu.transport.redis import Channel

from flowq.codec import register_kombu
from flowq.engine.redis_client import ANSWERS_WITHIN_S, RedisClient
from flowq.errors import ConfigError
from flowq.settings import Settings, with_tls

CHUNK, FOLD, FINISH = "flowq.chunk", "flowq.fold", "flowq.finish"
RUN_FLOW = "flowq.run_flow"
MAX_KEY = 200  # characters of a scheduled flow's key
MOST_URGENT = 9


class UnaskedResult(AsyncResult):
    """A task's result that is never fetched from Celery: flowq's processes read the ledger.

    Celery would subscribe to each result of a chord, and unsubscribe whenever the object is collected: also at
    interpreter exit, or while Redis is away.
    """

    def then(self, callback: Any, on_error: Any = None, weak: bool = False) -> Any:
        return callback

    def __del__(self) -> None: ...


def build_app(settings: Settings) -> Celery:
    """A Celery app on the settings' Redis; its tasks accept flowq's serializer only."""
    register_kombu()
    app = Celery("flowq", set_as_current=False)
    app.conf.update(celery_config(settings))
    app.AsyncResult = app.subclass_with_self(UnaskedResult)
    # Replies of remote control (inspect, Flower) hold objects of celery's own, which it converts only for json.
    app.control.mailbox.serializer = "json"
    return app


def celery_config(settings: Settings) -> dict[str, Any]:
    """Celery's settings for flowq's own workers, each with the reason where it is not obvious."""
    transport = {
        "global_keyprefix": f"{settings.prefix}:",
        "socket_keepalive": True,
        # A connection may be lost silently (a firewall drops it, a failover). Without a timeout kombu would wait for
        # ever for a reply over it, and it checks the connection that it receives messages on only every 25 s.
        "socket_timeout": ANSWERS_WITHIN_S,
        "socket_connect_timeout": ANSWERS_WITHIN_S,
        "health_check_interval": 5,
        # Seconds. The ledger's leases recover lost work; kombu's sweep only has to clean up after dead workers.
        "visibility_timeout": 3600,
        "unacked_restore_limit": 100,
    }
    return {
        "broker_url": settings.url,
        "result_backend": settings.url,
        "broker_transport_options": transport,
        "result_backend_transport_options": {"global_keyprefix": f"{settings.prefix}:"},
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A full Redis refuses even acknowledgements: the worker reconnects until they are accepted.
        "broker_channel_error_retry": True,
        "task_default_queue": settings.queue,
        "task_serializer": "flowq",
        "result_serializer": "flowq",
        # json is for celery's remote control and Flower; flowq's tasks refuse it (worker/tasks.py).
        "accept_content": ["flowq", "json"],
        "result_accept_content": ["flowq"],
        "result_expires": 3600,
        "redis_socket_timeout": ANSWERS_WITHIN_S,
        "redis_socket_connect_timeout": ANSWERS_WITHIN_S,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": True,
        "worker_enable_remote_control": True,
        "worker_soft_shutdown_timeout": settings.soft_shutdown_s,
        "worker_max_memory_per_child": settings.max_memory_per_child_mib and settings.max_memory_per_child_mib * 1024,
        "worker_hijack_root_logger": True,
        "worker_proc_alive_timeout": 30,
        "enable_utc": True,
    }


def broker_of(app: Celery) -> str:
    """The app's broker URL including the TLS options of ``broker_use_ssl``; ConfigError unless it is one Redis."""
    if not isinstance(app, Celery):
        raise TypeError(f"app is a Celery app, celery.Celery(…), not {type(app).__name__}")
    url = str(app.conf.broker_url or "")
    if not url.startswith(("redis://", "rediss://", "redis+socket://")):
        raise ConfigError(f"flowq needs Redis as broker, this app has {url.partition('://')[0] or 'none'}")
    options = app.conf.broker_use_ssl
    if not isinstance(options, dict) or url.startswith("redis+socket://"):
        return with_tls(url)
    spelled = {name: getattr(value, "name", str(value)) for name, value in options.items() if value is not None}
    return with_tls(f"rediss://{url.partition('://')[2]}", **spelled)


def queue_list(app: Celery, queue: str, priority: int | None = None) -> str:
    """The Redis list where *app* sends and consumes messages of *queue* with this priority (0 to 9, or None)."""
    lists = queue_lists(app, f"{app.conf.broker_transport_options.get('global_keyprefix', '')}{queue}")
    return lists[bisect(_steps(app), 0 if priority is None else sent_priority(priority)) - 1]


def queue_lists(app: Celery, plain: str) -> list[str]:
    """Every Redis list of a queue, the most urgent first; *plain*: the list of messages without a priority."""
    sep = app.conf.broker_transport_options.get("sep", Channel.sep)
    return [f"{plain}{sep}{step}" if step else plain for step in _steps(app)]


def queue_length(redis: RedisClient, app: Celery, plain: str) -> int:
    """The number of messages in all lists of a queue; *plain*: as for ``queue_lists``."""
    return sum(int(redis.llen(one)) for one in queue_lists(app, plain))


def _steps(app: Celery) -> list[int]:
    """kombu's priority steps: for each of its lists on Redis, the lowest priority (as kombu counts) that it holds."""
    return list(app.conf.broker_transport_options.get("priority_steps", Channel.priority_steps))


def sent_priority(priority: int) -> int:
    """A priority as kombu counts it: on Redis 0 is the most urgent, in flowq's API 9 is."""
    return MOST_URGENT - priority
