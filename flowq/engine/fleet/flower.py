"""Flower as flowq starts it: who may come in, what the task list shows. `flowq flower` and deploy/flowerconfig.py."""

from __future__ import annotations

import importlib.util
from typing import Any

from flowq.engine.app import build_app
from flowq.errors import ConfigError
from flowq.settings import Settings

# A batch's name stands in the arguments, its figures in the result: both belong into the list.
COLUMNS = "name,args,state,result,received,runtime,worker"
MAX_TASKS = 20_000  # that it remembers: some 60 MiB


def flower_options(settings: Settings) -> dict[str, Any]:
    """Flower's options: reachable from this machine alone, and with a name and a password alone.

    Raises:
        ConfigError: there is no password.
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
        settings: whose Redis it watches, whom it lets in.
        address: to listen on; everything but a loopback address wants a proxy with TLS before it.
        port: 0 for any free one, which it prints.

    Raises:
        ConfigError: Flower is not installed, or there is no password.
    """
    if importlib.util.find_spec("flower") is None:
        raise ConfigError("Flower is not installed: pip install flower (or flowq with its extra flower)")
    options = {**flower_options(settings), "address": address, "port": port}
    spelled = [f"--{name}={','.join(value) if isinstance(value, list) else value}" for name, value in options.items()]
    # Not the command line of this process, which others can read: only what Flower is given to parse.
    build_app(settings).start(["flower", *spelled])
