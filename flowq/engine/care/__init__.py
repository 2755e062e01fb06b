"""Maintenance by users: the catalogue, `flowq doctor`, `flowq gc`."""
