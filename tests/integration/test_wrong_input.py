"""What a program asks that cannot be: a sentence that says what to do, the same in one process and on workers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nested, nodes

NO_SECONDS = [
    ("5", TypeError, "not str"),
    (True, TypeError, "not bool"),
    ([], TypeError, "not list"),
    (math.nan, ValueError, "not NaN"),
]


@pytest.mark.parametrize(("timeout", "kind", "said"), NO_SECONDS, ids=repr)
def test_a_timeout_is_a_number_of_seconds(
    executor: str, tmp_path: Path, timeout: Any, kind: type[Exception], said: str
) -> None:
    batch = nodes.Square().submit([2])
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    waits: list[Callable[[Any], object]] = [batch.wait, batch.result, run.wait, run.result]
    for wait in waits:
        with pytest.raises(kind, match=f"timeout is a number of seconds, or None to wait without end, {said}"):
            wait(timeout)
    assert batch.result(20) == [4]
    assert run.wait(20)


def test_a_timeout_may_be_longer_than_any_lock_waits(executor: str) -> None:
    batch = nodes.Square().submit([2])
    assert batch.wait(math.inf)
    assert batch.result(1e300) == [4]
    assert batch.wait(-1), "it has ended"
