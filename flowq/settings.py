"""Settings: the only reader of the environment. One frozen value, made where a process is composed."""

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
    """What differs between a laptop and a fleet. Read from ``FLOWQ_…`` environment variables.

    Attributes:
        broker_url: Redis, for broker, results and ledger ("redis://", "rediss://", "redis+socket://"), with the ACL
            user in it ("rediss://user:password@host:6380/0?ssl_ca_certs=/etc/ca.pem"); None: not configured, batches
            run inline. With "rediss://" the server's certificate is checked unless "ssl_cert_reqs=none" says otherwise.
        prefix: every Redis key starts with it; producers and workers must agree.
        queue: the default queue.
        imports: modules a worker imports, so that their node classes are known ("app.nodes,app.flows").
        main_path: a script whose node classes a local worker loads as ``__main__``.
        main_module: the dotted name under which ``python -m`` found that script (None: it was run by its path).
        lease_s: seconds after which a worker that stopped beating has lost its chunks.
        pulse_s: seconds between beats and caretaker rounds.
        slots: processes of a worker (None: the machine's cores).
        soft_shutdown_s: seconds that running items get when a worker is told to stop.
        max_memory_per_child_mib: a worker process above this is replaced after its task (None: no limit).
        memory_limit_mib: a worker process above this is killed at once; the item that runs counts as crashed (None:
            no limit).
        store_cache_mib: MiB of shared stores that a worker of several processes keeps for them in a temporary file
            without a name, so that each key is fetched once and not by every process; at most a quarter of what is
            free there when the worker starts (0: every process fetches for itself).
        full_wait_s: seconds that a producer in the middle of its items waits for room in a full Redis before RedisFull.
        redis_server: the redis-server binary that LocalCluster and `flowq run --local` start (None: they look for one).
        ready_file: a worker touches this file with every pulse, from when it consumes; workers/health.py reads it.
        progress: what a blocking batch shows on stderr: "bar", "lines" (one every five seconds, for logs), "off", or
            "auto": bars in a terminal or a notebook.
        log_level: of a worker's log.
        log_format: of a worker's log: "text", or "json" for one object a line.
        worker_name: name of a worker in Flower and in outcomes (None: made from host and pid).
        crash_points: a folder in which tests arm crash points, see engine/crash_points.py (None: there are none).
        sinks: folders and URLs below which a worker writes results for ``sink=`` ("/data/results,s3://bucket/results";
            "*": anywhere). A message must not decide where a worker writes.
        secret_key: what seals secrets on their way to workers and back: 32 random bytes in base64, the same for all.
            Several, with commas between, while a key is being replaced: the first seals (None: secrets do not travel).
        flower_user: name that Flower asks for.
        flower_password: password that Flower asks for (None: `flowq flower` makes one).
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
        """``secret_key`` as keys of 32 bytes; none if there is none."""
        return _decoded(self.secret_key)

    @property
    def url(self) -> str:
        """The broker's URL, or Redis' default address."""
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
    """Raise ValueError unless *url* can be that of one Redis."""
    try:
        parts = urlsplit(url)
        place = parts.path if parts.scheme == "redis+socket" else parts.hostname
        database = "" if parts.scheme == "redis+socket" else parts.path.strip("/")
        whole = parts.scheme in SCHEMES and bool(place) and parts.port != 0 and database in ("", *map(str, range(1000)))
    except ValueError:  # a port that is none
        whole = False
    if not whole:
        raise ValueError(
            "it is no URL of a Redis; give redis://host:6379/0, rediss://… for TLS, or redis+socket:///path/redis.sock"
        )


def with_tls(url: str, **options: str) -> str:
    """*url* with its TLS options in the one spelling that redis-py, kombu and Celery's results all read.

    Left to themselves, kombu checks no certificate where ``ssl_cert_reqs`` is missing, Celery refuses, redis-py checks.

    Args:
        url: of a Redis; only "rediss://" is changed.
        options: further options of TLS (``ssl_ca_certs``, …), which those of the URL stand over.

    Raises:
        ValueError: an ``ssl_cert_reqs`` that is none.
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
    """*text* with ``***`` for the passwords of the URLs in it."""
    if "://" not in text:
        return text
    return _PASSWORD.sub(lambda found: f"{found[1]}:***@" if found[1] else f"{found[2]}***", text)


def redacted(url: str) -> str:
    """*url* without its password, for messages and logs."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        user, _, host = parts.netloc.rpartition("@")
        url = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}"))
    return without_passwords(url)
