"""How long the chaos tests go on, from the environment; `make chaos` sets it."""

from __future__ import annotations

import os

CHAOS_S = float(os.environ.get("FLOWQ_CHAOS_SECONDS", "60"))
SEEDS = int(os.environ.get("FLOWQ_CHAOS_SEEDS", "1"))
ROLLING_S = CHAOS_S / 3
