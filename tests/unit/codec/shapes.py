"""Classes that travel, one of each kind, and ``identical``: equality that also compares types. No tests."""

from __future__ import annotations

import array
import dataclasses
import decimal
import enum
import functools
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any, NamedTuple

import pydantic

from flowq import registry

TEXT_TYPECODE = "w" if "w" in array.typecodes else "u"  # the one of which this Python does not warn


@registry.register
class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"
    CRIMSON = "r"  # noqa: PIE796 - an alias of RED


@registry.register
class Level(enum.IntEnum):
    LOW = 1


@registry.register
class Right(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


@registry.register
@dataclasses.dataclass
class Document:
    name: str
    pages: Any
    seen: int = dataclasses.field(default=0, init=False)

    def __post_init__(self) -> None:
        self.name = self.name + "!"

    @functools.cached_property
    def size(self) -> int:
        return len(self.name)


@registry.register
@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any = 0


@registry.register
class Pair(NamedTuple):
    left: Any
    right: Any = None


@registry.register
class User(pydantic.BaseModel):
    name: str = pydantic.Field(alias="user_name")
    tags: list[Any] = []
    boss: User | None = None
    _token: Any = pydantic.PrivateAttr(default=0)

    @pydantic.field_validator("name", mode="before")
    @classmethod
    def shout(cls, value: str) -> str:
        return value + "!"


@registry.register
class Loose(pydantic.BaseModel, extra="allow"):
    a: int = 1


class Stranger:
    """Registered by nobody."""


def identical(one: Any, other: Any) -> bool:
    """Equal, of the same types all the way down, in the same order; NaN is NaN and -0.0 is not 0.0."""
    cls = type(one)
    if cls is not type(other):
        return False
    if cls is decimal.Decimal:
        return one.as_tuple() == other.as_tuple()  # type: ignore[no-any-return]
    if cls is float:
        return struct.pack(">d", one) == struct.pack(">d", other)
    if cls is complex:
        return identical(one.real, other.real) and identical(one.imag, other.imag)
    if cls is array.array:
        return one.typecode == other.typecode and one.tobytes() == other.tobytes()  # type: ignore[no-any-return]
    if cls is deque:
        return one.maxlen == other.maxlen and identical(list(one), list(other))
    if cls is defaultdict and one.default_factory is not other.default_factory:
        return False
    if cls in (Counter, OrderedDict, defaultdict):
        return identical(list(one.items()), list(other.items()))
    if cls in (list, tuple, Pair):
        return len(one) == len(other) and all(map(identical, one, other))
    if cls is dict:
        return identical(list(one.items()), list(other.items()))
    if cls in (set, frozenset):
        return len(one) == len(other) and all(any(identical(a, b) for b in other) for a in one)
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return all(identical(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    if hasattr(one, "fold"):
        # Equality of aware moments ignores both.
        same_zone = getattr(one.tzinfo, "key", one.tzinfo) == getattr(other.tzinfo, "key", other.tzinfo)
        return one == other and one.fold == other.fold and same_zone and str(one) == str(other)
    return bool(one == other) and str(one) == str(other)
