"""Flower with flowq's options: its login, its task list. For `flowq flower` and deploy/flowerconfig.py."""

from __future__ import annotations

import asyncio
import atexit
import importlib.util
import os
import signal
import threading
from typing import Any

from flowq.engine.app import build_app
from flowq.errors import ConfigError
from flowq.settings import Settings

# A batch's name is in the arguments, its counts are in the result: the list shows both.
COLUMNS = "name,args,state,result,received,runtime,worker"
MAX_TASKS = 20_000  # that Flower remembers: some 60 MiB
LEAVE_AFTER_S = 2.0  # after it was told to stop, whatever its threads wait for


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
    from tornado.ioloop import IOLoop  # which comes with Flower

    options = {**flower_options(settings), "address": address, "port": port}
    spelled = [f"--{name}={','.join(value) if isinstance(value, list) else value}" for name, value in options.items()]
    # Parsed by Flower in this process; a command line with the password would be readable by others.
    IOLoop.current().add_callback(_stop_on_signals)  # runs once Flower has set its own
    build_app(settings).start(["flower", *spelled])
    # Its threads may wait to send something until Redis is back, and Python would wait for its threads.
    end = threading.Timer(LEAVE_AFTER_S, _leave)
    end.daemon = True
    end.start()


def _stop_on_signals() -> None:
    """Let SIGTERM and SIGINT stop the loop. Flower raises SystemExit wherever its code is, where it can get lost."""
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, loop.stop)


def _leave() -> None:
    try:
        atexit._run_exitfuncs()  # Flower's own, which saves what it was told to keep
    finally:
        os._exit(0)
