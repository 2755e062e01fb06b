"""A Flower process of a test's own, as `flowq flower` starts it, and what its pages and its API answer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

from tests.programs import ROOT
from tests.waiting import until

USER, PASSWORD = "flowq", "let-me-in"


class Flower:
    """Flower on a free port of 127.0.0.1.

    Args:
        broker_url: of the Redis it watches.
        log: where it writes.
        command: what starts it.
    """

    def __init__(
        self, broker_url: str, log: Path, command: tuple[str, ...] = ("flowq", "flower", "--port", "0")
    ) -> None:
        self._log_file = log
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        env |= {"FLOWQ_BROKER_URL": broker_url, "FLOWQ_FLOWER_PASSWORD": PASSWORD, "PYTHONFAULTHANDLER": "1"}
        with log.open("wb") as out:
            self._popen = subprocess.Popen([sys.executable, "-m", *command], env=env, cwd=ROOT, stdout=out, stderr=out)
        self.url = until(self._address, 30, "Flower says where it listens")
        until(lambda: self.workers(), 20, "Flower knows the worker")

    def get(self, path: str, *, user: str = USER, password: str = PASSWORD) -> str:
        """The text of a page; HTTPError for what Flower refuses."""
        request = urllib.request.Request(self.url + path)
        if user:
            request.add_header("Authorization", "Basic " + b64encode(f"{user}:{password}".encode()).decode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def status(self, path: str, *, user: str = USER, password: str = PASSWORD) -> int:
        """The HTTP status of a page."""
        try:
            self.get(path, user=user, password=password)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def tasks(self, search: str) -> list[dict[str, Any]]:
        """The tasks whose name, arguments or result hold *search*, as the list shows them."""
        found: dict[str, dict[str, Any]] = json.loads(self.get(f"/api/tasks?search={search}"))
        return list(found.values())

    def workers(self) -> list[str]:
        """The names of the workers that Flower has heard of by their events."""
        return re.findall(r'flower_worker_online\{worker="([^"]+)"\} 1', self.get("/metrics"))

    def log(self) -> str:
        return self._log_file.read_text()

    def end(self) -> int:
        """Tell it to stop; what it exits with."""
        self._popen.terminate()
        try:
            return self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.send_signal(signal.SIGABRT)  # shows in its log what it was doing
            self._popen.wait(10)
            raise AssertionError(f"Flower does not stop:\n{self.log()}") from None

    def _address(self) -> str | None:
        assert self._popen.poll() is None, self.log()
        found = re.search(r"Visit me at (\S+)", self.log())
        return found[1] if found else None
