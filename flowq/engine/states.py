"""The states of a batch as Redis holds them."""

from __future__ import annotations

from flowq.batch.executor import UNENDED

UNENDED_IN_REDIS = tuple(state.encode() for state in UNENDED)
"""Those of a batch that runs or is paused."""
