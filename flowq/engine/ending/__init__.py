"""How a batch ends: what its items brought is merged and put together, its family is told, leftovers are swept."""
