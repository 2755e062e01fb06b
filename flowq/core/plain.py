"""Plain node classes: a visit that raises nothing is their ``prep``, ``exec`` and ``post``, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# A class that overrides one of these takes the general path, LifeCycle.step.
_LIFE = (
    "visit", "step", "told", "perform", "one_try", "phase", "set_params", "phases", "__copy__", "__setattr__",
    "__getattribute__", "tries_before", "inside",
)  # fmt: skip


def inherits_all(cls: type[Any], base: type[Any], names: Iterable[str]) -> bool:
    """Whether *cls* inherits all of *names* from *base* unchanged."""
    return all(getattr(cls, name) is getattr(base, name) for name in names)


def is_plain(cls: type[Any], base: type[Any]) -> bool:
    """Whether *cls* leaves the life cycle of *base* unchanged, without ctx, generators, slots or class-level params."""
    return inherits_all(cls, base, _LIFE) and not (cls._asks_ctx or cls._yields or cls._slots or hasattr(cls, "params"))
