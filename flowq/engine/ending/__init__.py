"""How a batch ends: its items' deltas are merged, its result is assembled, its family is told, its sink is swept."""
