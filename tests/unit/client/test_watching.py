"""Who waits for a batch: Ctrl-C cancels it whenever it comes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from flowq.client.progress import Display
from flowq.client.watching import Watching


class Batch:
    """Never ends."""

    id = label = "a batch"
    is_fed_here = False
    cancelled = False

    def wait(self, timeout: float | None = None) -> bool:
        raise AssertionError("nobody waits for it")

    def progress(self) -> Any:
        raise AssertionError("nobody asks")

    def state(self) -> Any:
        raise AssertionError("nobody asks")

    def cancel(self) -> None:
        self.cancelled = True


class Interrupted(Display):
    @contextmanager
    def of(self, watched: Any) -> Iterator[Any]:
        raise KeyboardInterrupt
        yield


def test_ctrl_c_while_the_display_begins_cancels_the_batch() -> None:
    batch = Batch()
    with pytest.raises(KeyboardInterrupt):
        Watching(Interrupted()).wait(batch)
    assert batch.cancelled


class OutOfReach(Batch):
    """Redis is away."""

    def cancel(self) -> None:
        raise OSError("connection refused")


def test_ctrl_c_while_redis_is_away_is_ctrl_c_and_says_that_the_batch_was_not_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(KeyboardInterrupt):
        Watching(Interrupted()).wait(OutOfReach())
    assert "a batch was not cancelled: Redis does not answer (connection refused)" in caplog.text
