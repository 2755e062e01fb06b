"""The codes of flowq's msgpack extensions. A code never changes its meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Pack and unpack the parts of an extension, one level deeper.
Pack = Callable[[Any], bytes]
Unpack = Callable[[bytes], Any]

TUPLE = 1
SET = 2
FROZENSET = 3
PAIRS = 4  # a dict whose keys are not all str
BIG_INT = 5  # past 64 bits
TEXT = 6  # a str with lone surrogates
BYTEARRAY = 7
DATETIME = 8
DATE = 9
TIME = 10
TIMEDELTA = 11
DECIMAL = 12
UUID = 13
PATH = 14
RANGE = 15
COMPLEX = 16
FRACTION = 17
ADDRESS = 18  # of ipaddress: an address, an interface or a network
ZONE = 19  # a time zone by itself
ENUM = 20
DATACLASS = 21
MODEL = 22
NAMED_TUPLE = 23
EXCEPTION = 24
CLASS = 25  # not an instance: the class itself
SECRET = 26  # sealed
FUNCTION = 27  # by its name
IN_PARTS = 28  # an instance of a class of flowq with to_plain and from_plain
ARRAY = 30
SCALAR = 31
TYPED_ARRAY = 32  # array.array
COUNTER = 40
DEFAULT_DICT = 41
ORDERED_DICT = 42
DEQUE = 43

# Codes whose payload is not msgpack. All others may nest, so nesting.py must look inside.
OPAQUE = frozenset(
    {
        *(BIG_INT, TEXT, BYTEARRAY, DATE, TIMEDELTA, DECIMAL, UUID, PATH, COMPLEX, ADDRESS),
        *(CLASS, SECRET, FUNCTION, TYPED_ARRAY),
    }
)
