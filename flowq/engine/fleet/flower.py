"""Flower with flowq's options: its login, its task list. For `flowq flower` and deploy/flowerconfig.py."""

from __future__ import annotations

import importlib.util
from typing import Any

from flowq.engine.app import build_app
from flowq.errors import ConfigError
from flowq.settings import Settings

# A batch's name is in the arguments, its counts are in the result: the list shows both.
COLUMNS = "name,args,state,result,received,runtime,worker"
MAX_TASKS = 20_000  # that Flower remembers: some 60 MiB


def flower_options(settings: Settings) -> dict[str, Any]:
    """Flower's options: reachable only from this machine, and only with user name and password.

    Raises:
        ConfigError: no password is set.
    """
    password = settings.flower_password
    if password is None or not password.get_secret_value():
        raise ConfigError("Flower shows what runs and can stop it: set FLOWQ_FLOWER_PASSWORD to the password it asks")
    return {
        "basic_auth": [f"{settings.flower_user}:{password.get_secret_value()}"],
        "address": "127.0.0.1",
        "max_tasks": MAX_TASKS,
        "tasks_columns": COLUMNS,
        "purge_offline_workers": 3600,
    }


def run_flower(settings: Settings, *, address: str, port: int) -> None:
    """Run Flower in this process until it is told to stop.

    Args:
        settings: the Redis to watch, the user name and the password.
        address: to listen on; any address other than loopback needs a proxy with TLS in front of it.
        port: 0 for any free one, which Flower prints.

    Raises:
        ConfigError: Flower is not installed, or no password is set.
    """
    if importlib.util.find_spec("flower") is None:
        raise ConfigError("Flower is not installed: pip install flower (or flowq with its extra flower)")
    options = {**flower_options(settings), "address": address, "port": port}
    spelled = [f"--{name}={','.join(value) if isinstance(value, list) else value}" for name, value in options.items()]
    # Parsed by Flower in this process; a command line with the password would be readable by others.
    build_app(settings).start(["flower", *spelled])
