"""A long stream keeps everybody's memory flat; the full form is ``python -m benchmarks.memory``."""

from __future__ import annotations

import pytest

from benchmarks.memory import MIB, measure

pytestmark = pytest.mark.chaos

N = 50_000


def test_a_stream_is_exact_and_everybody_s_memory_stays_flat() -> None:
    figures = measure("streamed", N)
    assert figures.wrong == 0
    assert figures.first_result_s < figures.generator_ended_s, "the first result came while the generator was running"
    assert figures.producer_bytes < 60 * MIB
    assert figures.unread_bytes <= 64 * MIB
    assert figures.redis_bytes < 64 * MIB
