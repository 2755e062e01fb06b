"""Limits that a whole fleet shares: permits for rates and caps, circuits, caches."""
