"""Bytes ↔ values: what travels, what is refused, and what hostile bytes cannot do."""
