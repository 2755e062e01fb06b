"""Settings: the only reader of the environment. One frozen value, created where a process is set up."""

from __future__ import annotations

import base64
import logging
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SCHEMES = ("redis", "rediss", "redis+socket")
DEFAULT_BROKER_URL = "redis://127.0.0.1:6379/0"

_KEY_BYTES = 32


class Settings(BaseSettings):
    """The configuration of a process, read from ``FLOWQ_…`` environment variables.

    Attributes:
        broker_url: URL of the Redis for broker, results and ledger ("redis://", "rediss://", "redis+socket://"),
            including the ACL user ("rediss://user:password@host:6380/0?ssl_ca_certs=/etc/ca.pem"). None: batches run in
            this process. With "rediss://" the server's certificate is verified unless "ssl_cert_reqs=none" is given.
        prefix: prefix of every Redis key; the same for producers and workers.
        queue: the default queue.
        imports: modules that a worker imports for their node classes ("app.nodes,app.flows").
        main_path: a script that a local worker loads as ``__main__`` for its node classes.
        main_module: the dotted name if that script was started with ``python -m`` (None: it was started by path).
        lease_s: seconds after the last beat of a worker until its chunks are handed out again.
        pulse_s: seconds between two beats of a worker, and between two rounds of the caretaker.
        slots: number of a worker's processes (None: the number of cores).
        soft_shutdown_s: seconds that running items get to finish when a worker is told to stop.
        max_memory_per_child_mib: a worker process that uses more is replaced after its task (None: no limit).
        memory_limit_mib: a worker process that uses more is killed at once, and its item counts a crash (None: no
            limit).
        store_cache_mib: size of a cache of shared stores that the processes of a worker share, so that each key is
            fetched once; an unnamed temporary file, at most a quarter of the space free there when the worker starts
            (0: every process fetches for itself).
        full_wait_s: seconds that a producer, having written some of its items, waits for room in a full Redis before it
            raises RedisFull.
        redis_server: the redis-server binary that LocalCluster and `flowq run --local` start (None: the first one
            found).
        ready_file: file that a worker touches with every beat once it consumes; workers/health.py reads it.
        progress: the progress display of a blocking batch on stderr: "bar", "lines" (one every five seconds, for logs),
            "off", or "auto": bars in a terminal or a notebook.
        log_level: level of a worker's log.
        log_format: format of a worker's log: "text", or "json" for one object per line.
        worker_name: name of a worker in Flower and in outcomes, before its host (None: "flowq"). Several workers of one
            machine should have a name each, because Flower shows those of one name as one worker.
        crash_points: folder in which tests arm crash points, see engine/crash_points.py (None: no crash points).
        sinks: folders and URLs below which a worker may write results for ``sink=``
            ("/data/results,s3://bucket/results"; "*": anywhere), so that a message cannot make it write elsewhere.
        secret_key: key that encrypts secrets sent to workers and back: 32 random bytes in base64, the same for all
            processes. To replace a key, give several, separated by commas: the first encrypts, all decrypt (None:
            secrets cannot be sent).
        flower_user: user name for Flower.
        flower_password: password for Flower (None: `flowq flower` generates one).
    """

    # An empty variable counts as unset: compose files write FLOWQ_BROKER_URL=${FLOWQ_BROKER_URL:-}.
    model_config = SettingsConfigDict(
        env_prefix="FLOWQ_", env_ignore_empty=True, frozen=True, extra="ignore", hide_input_in_errors=True
    )

    broker_url: Annotated[str | None, Field(repr=False)] = None
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}$")] = "flowq"
    queue: Annotated[str, Field(min_length=1)] = "flowq"
    imports: Annotated[tuple[str, ...], NoDecode] = ()
    main_path: Path | None = None
    main_module: str | None = None
    lease_s: Annotated[float, Field(ge=1)] = 10.0
    pulse_s: Annotated[float, Field(gt=0, le=10)] = 1.0
    slots: Annotated[int, Field(ge=1)] | None = None
    soft_shutdown_s: Annotated[float, Field(ge=0)] = 10.0
    max_memory_per_child_mib: Annotated[int, Field(ge=32)] | None = None
    memory_limit_mib: Annotated[int, Field(ge=32)] | None = None
    store_cache_mib: Annotated[int, Field(ge=0)] = 256
    full_wait_s: Annotated[float, Field(ge=0)] = 60.0
    redis_server: Path | None = None
    ready_file: Path | None = None
    progress: Literal["auto", "bar", "lines", "off"] = "auto"
    log_level: str = "INFO"
    log_format: Literal["text", "json"] = "text"
    worker_name: str | None = None
    crash_points: Path | None = None
    sinks: Annotated[tuple[str, ...], NoDecode] = ()
    secret_key: SecretStr | None = None
    flower_user: Annotated[str, Field(pattern=r"^[^:,\s]+$")] = "flowq"
    flower_password: SecretStr | None = None

    @field_validator("imports", "sinks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("broker_url")
    @classmethod
    def _one_redis(cls, value: str | None) -> str | None:
        if value is None:
            return None
        _refuse_other_than_redis(value)
        return with_tls(value)

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        return level_of(value)

    @field_validator("secret_key")
    @classmethod
    def _whole_keys(cls, value: SecretStr | None) -> SecretStr | None:
        _decoded(value)
        return value

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """``secret_key`` decoded: keys of 32 bytes each; empty if it is None."""
        return _decoded(self.secret_key)

    @property
    def url(self) -> str:
        """The broker's URL; ``DEFAULT_BROKER_URL`` if it is not set."""
        return self.broker_url or DEFAULT_BROKER_URL


def level_of(name: Any) -> str:
    """*name*, a log level as Python's logging spells it; raises TypeError or ValueError for another."""
    if not isinstance(name, str):
        raise TypeError(f"a log level is DEBUG, INFO, WARNING, ERROR or CRITICAL, not {name!r:.200}")
    if name.upper() not in logging.getLevelNamesMapping():
        raise ValueError(f"a log level is DEBUG, INFO, WARNING, ERROR or CRITICAL, not {name!r:.200}")
    return name.upper()


def _decoded(keys: SecretStr | None) -> tuple[bytes, ...]:
    found = []
    for text in [] if keys is None else keys.get_secret_value().split(","):
        try:
            found.append(base64.urlsafe_b64decode(text.strip()))
        except ValueError:
            found.append(b"")
        if len(found[-1]) != _KEY_BYTES:
            raise ValueError(
                "a FLOWQ_SECRET_KEY is 32 random bytes in base64, as this makes one: "
                "python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
            )
    return tuple(found)


def _refuse_other_than_redis(url: str) -> None:
    """Raise ValueError unless *url* is a valid URL of a single Redis."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == "redis+socket" else parts.hostname
        database = "" if parts.scheme == "redis+socket" else parts.path.strip("/")
        whole = parts.scheme in SCHEMES and bool(place) and parts.port != 0 and database in ("", *map(str, range(1000)))
    except ValueError:  # an invalid port
        whole = False
    if not whole:
        raise ValueError(
            "it is no URL of a Redis; give redis://host:6379/0, rediss://… for TLS, or redis+socket:///path/redis.sock"
        )


def with_tls(url: str, **options: str) -> str:
    """*url* with its TLS options in the spelling that redis-py, kombu and Celery's result backend all accept.

    Without ``ssl_cert_reqs``, kombu does not verify the certificate, Celery raises, and redis-py verifies.

    Args:
        url: URL of a Redis; only "rediss://" is changed.
        options: further TLS options (``ssl_ca_certs``, …); those in the URL take precedence.

    Raises:
        ValueError: ``ssl_cert_reqs`` is not "required", "optional" or "none".
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss":
        return url
    query = {**options, **dict(parse_qsl(parts.query))}
    checked = query.get("ssl_cert_reqs", "required").removeprefix("CERT_").lower()
    if checked not in ("required", "optional", "none"):
        raise ValueError(f"ssl_cert_reqs={checked} in the broker's URL: it is required, optional or none")
    return urlunsplit(parts._replace(query=urlencode({**query, "ssl_cert_reqs": checked}, safe="/")))


_PASSWORD = re.compile(r"(\w://[^\s/:@?#]*):[^\s/]*@|([?&](?:password|ssl_password)=)[^\s&#]+")


def without_passwords(text: str) -> str:
    """*text* with the passwords of URLs in it replaced by ``***``."""
    if "://" not in text:
        return text
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[2]}***", text)


def redacted(url: str) -> str:
    """*url* with its passwords replaced by ``***``, for messages and logs."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        user, _, host = parts.netloc.rpartition("@")
        url = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))
    return without_passwords(url)
