"""Other standard containers ↔ extension payloads: Counter, defaultdict, OrderedDict, deque, range, array.array.

They keep their order, a deque its maxlen, an array its typecode, a defaultdict its factory, one of a few builtins.
"""

from __future__ import annotations

import array
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from flowq import registry
from flowq.codec import tags
from flowq.codec.extensions import as_list
from flowq.codec.refusals import factory_refusal
from flowq.codec.tags import Pack, Unpack
from flowq.errors import DecodeError, EncodeError

# Dict subclasses whose parts are keys and values, as those of a dict.
MAPPINGS = (Counter, OrderedDict, defaultdict)


def _dict_out(value: Any, pack: Pack) -> bytes:
    beside = vars(value).keys() - {"__orig_class__"}  # set by Counter[str]()
    if beside:
        raise EncodeError(
            "",
            f"this {type(value).__name__} holds the attribute {min(beside)!r}, which would be lost; send it beside it",
        )
    return pack(dict(value))


def _as_dict(value: Any) -> dict[Any, Any]:
    if type(value) is not dict:
        raise DecodeError(f"a dict was expected, not {type(value).__name__}")
    return value


def _counter_in(data: bytes, unpack: Unpack) -> Counter[Any]:
    counts: Counter[Any] = Counter()
    dict.update(counts, _as_dict(unpack(data)))  # Counter.update would count the keys, or add counts
    return counts


def _default_dict_out(value: defaultdict[Any, Any], pack: Pack) -> bytes:
    factory: Any = value.default_factory
    if factory is None:
        return pack([None, dict(value)])
    if not isinstance(factory, type) or registry.FACTORIES.get(factory.__name__) is not factory:
        raise EncodeError("", factory_refusal(factory))
    return pack([factory.__name__, dict(value)])


def _default_dict_in(data: bytes, unpack: Unpack) -> defaultdict[Any, Any]:
    name, parts = as_list(unpack(data))
    factory = registry.FACTORIES.get(name) if type(name) is str else None
    if factory is None and name is not None:
        raise DecodeError(f"a defaultdict with the unknown factory {str(name)[:80]!r}")
    return defaultdict(factory, _as_dict(parts))


def _deque_in(data: bytes, unpack: Unpack) -> deque[Any]:
    maxlen, *parts = as_list(unpack(data))
    if maxlen is not None and (type(maxlen) is not int or maxlen < len(parts)):
        raise DecodeError(f"a deque of {len(parts):,} parts and the maxlen {str(maxlen)[:80]}")
    return deque(parts, maxlen)


def _range_in(data: bytes, unpack: Unpack) -> range:
    bounds = as_list(unpack(data))
    if len(bounds) != 3 or any(type(one) is not int for one in bounds):
        raise DecodeError("a range needs three whole numbers")
    return range(*bounds)


def _array_out(value: array.array[Any], pack: Pack) -> bytes:
    """Typecode, item size in bytes, and the items in little-endian byte order."""
    if value.typecode not in registry.TYPECODES:
        raise EncodeError("", f"an array of the typecode {value.typecode!r} is text; send value.tounicode()")
    return bytes((ord(value.typecode), value.itemsize)) + _little_endian(value).tobytes()


def _array_in(data: bytes, unpack: Unpack) -> array.array[Any]:
    typecode, item_bytes = chr(data[0]), data[1]
    if typecode not in registry.TYPECODES:
        raise DecodeError(f"an array of the unknown typecode {typecode!r}")
    value: array.array[Any] = array.array(typecode)
    if value.itemsize != item_bytes:
        raise DecodeError(f"an array of {typecode!r} with {item_bytes} bytes an item; here it has {value.itemsize}")
    value.frombytes(memoryview(data)[2:])
    return _little_endian(value)


def _little_endian(value: array.array[Any]) -> array.array[Any]:
    """*value* converted between native and little-endian byte order, in either direction."""
    if sys.byteorder == "little":
        return value
    turned = value[:]
    turned.byteswap()
    return turned


# Exact types only, as in extensions.ENCODERS.
ENCODERS: dict[type, tuple[int, Callable[[Any, Pack], bytes]]] = {
    Counter: (tags.COUNTER, _dict_out),
    OrderedDict: (tags.ORDERED_DICT, _dict_out),
    defaultdict: (tags.DEFAULT_DICT, _default_dict_out),
    deque: (tags.DEQUE, lambda value, pack: pack([value.maxlen, *value])),
    range: (tags.RANGE, lambda value, pack: pack([value.start, value.stop, value.step])),
    array.array: (tags.TYPED_ARRAY, _array_out),
}

DECODERS: dict[int, Callable[[bytes, Unpack], Any]] = {
    tags.COUNTER: _counter_in,
    tags.ORDERED_DICT: lambda data, unpack: OrderedDict(_as_dict(unpack(data))),
    tags.DEFAULT_DICT: _default_dict_in,
    tags.DEQUE: _deque_in,
    tags.RANGE: _range_in,
    tags.TYPED_ARRAY: _array_in,
}
