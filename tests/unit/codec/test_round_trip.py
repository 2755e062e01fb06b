"""What goes in comes out: the same value of the same types."""

from __future__ import annotations

import array
import datetime as dt
import ipaddress
import random
import string
import sys
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowq.codec import content_hash, dumps, loads
from flowq.errors import EncodeError
from flowq.registry import FACTORIES, register, sent_as_list
from tests.unit.codec.shapes import Colour, Level, Pair, Point, Right, identical

ZONE = zoneinfo.ZoneInfo("Europe/Berlin")
OFFSET = dt.timezone(dt.timedelta(hours=-3, seconds=7))
NAMED = dt.timezone(dt.timedelta(0), "Zulu")
ZONES = st.sampled_from([None, dt.UTC, OFFSET, NAMED, ZONE])

MOMENTS = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold), st.datetimes(), ZONES, st.integers(0, 1)
)
TIMES = st.builds(lambda time, zone, fold: time.replace(tzinfo=zone, fold=fold), st.times(), ZONES, st.integers(0, 1))
TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))
HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(2**200), max_value=2**200),
    st.floats(),
    TEXT,
    st.binary(),
    MOMENTS,
    TIMES,
    st.dates(),
    st.timedeltas(),
    st.decimals(allow_nan=False),  # a signalling NaN has no hash
    st.uuids(),
    st.complex_numbers(allow_nan=False),
    st.fractions(),
    st.ip_addresses(),
    st.builds(range, st.integers(), st.integers(), st.integers().filter(bool)),
    ZONES,
    st.sampled_from([Path("/a/b"), PurePosixPath("a/../é"), Path("\udcff"), *Colour, *Level, Right.READ | Right.RUN]),
)
KEYS = st.recursive(
    HASHABLE, lambda keys: st.tuples(keys, keys) | st.frozensets(keys, max_size=3) | st.builds(Point, keys, keys)
)


ARRAYS = st.sampled_from("bBhHiIlLqQfd").flatmap(
    lambda typecode: st.binary(max_size=3).map(lambda data: array.array(typecode, data * 8))
)


def counter_of(counts: dict[Any, Any]) -> Counter[Any]:
    """A Counter of any counts whatsoever, none of them added up."""
    counter: Counter[Any] = Counter()
    dict.update(counter, counts)
    return counter


def _containers(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(values, max_size=4),
        st.lists(values, max_size=4).map(tuple),
        st.dictionaries(st.text(alphabet=string.ascii_letters), values, max_size=4),
        st.dictionaries(KEYS, values, max_size=3),
        st.sets(KEYS, max_size=3),
        st.dictionaries(KEYS, values, max_size=3).map(counter_of),
        st.dictionaries(KEYS, values, max_size=3).map(OrderedDict),
        st.builds(
            defaultdict,
            st.sampled_from([None, *FACTORIES.values()]),
            st.dictionaries(KEYS, values, max_size=3),
        ),
        st.builds(deque, st.lists(values, max_size=4), st.none() | st.integers(0, 6)),
        st.builds(Point, values, values),
        st.builds(Pair, values, values),
    )


VALUES = st.recursive(KEYS | ARRAYS | st.binary().map(bytearray), _containers, max_leaves=12)


# Hypothesis warns that it prints a strategy of this size, which it does for its statistics only.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_every_value_comes_back_with_its_types(value: Any) -> None:
    assert identical(loads(dumps(value)), value)


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        2**64 - 1,
        2**64,
        -(2**63),
        -(2**63) - 1,
        10**400,
        -(10**400),
        float("nan"),
        float("-inf"),
        -0.0,
        {1: "a", "1": "b", (1, 2): "c", None: "d", 1.5: "e", b"1": "f", 2**70: "g"},
        {True: 1, False: 2},
        {"b": 1, "a": 2},
        {"\udcff": "\ud800"},
        {"a": [bytearray(b"x"), b"x", "ā"]},
        [[], (), {}, set(), frozenset(), "", b"", bytearray()],
        ((1, [2, (3, {4: (5,)})]),),
        {frozenset({(1, frozenset({2}))}),},
        Decimal("sNaN"),
        Decimal("-0.00"),
        Decimal("1E-999999"),
        UUID(int=7),
        dt.timedelta.min,
        dt.timedelta.max,
        dt.datetime.max,
        dt.date.min,
        dt.datetime(2026, 10, 25, 2, 30, tzinfo=ZONE, fold=1),
        dt.time(1, 2, 3, 4, tzinfo=NAMED),
        Path(),
        PurePosixPath("//a"),
        Counter("abracadabra"),
        Counter[str](),
        counter_of({"b": 0, "a": -1, ("c",): 2.5, None: "much"}),
        Counter({"\udcff": bytearray(b"x")}),
        OrderedDict({2: "b", 1: "a"}),
        defaultdict(None, {1: defaultdict(list, {"a": [bytearray(b"x"), b"x"]})}),
        deque([bytearray(b"x"), b"x"], maxlen=2),
        deque(maxlen=0),
        deque(maxlen=sys.maxsize),
        [b"x", deque([bytearray(b"x")])],
        range(0),
        range(-(2**70), 2**90, 2**65),
        complex("nan-0j"),
        complex(-0.0, float("-inf")),
        Fraction(-(10**400), 3),
        array.array("d", [float("nan"), -0.0]),
        array.array("Q", [2**64 - 1]),
        ipaddress.ip_address("::1"),
        ipaddress.ip_address("fe80::1%eth0"),
        ipaddress.ip_interface("1.2.3.4/9"),
        ipaddress.ip_interface("fe80::1%eth0/64"),
        ipaddress.ip_network("0.0.0.0/0"),
        ipaddress.ip_network("2001:db8::/32"),
        ipaddress.IPv6Network("fe80::%eth0/64"),
        ZONE,
        dt.UTC,
        NAMED,
        OFFSET,
    ],
    ids=lambda one: type(one).__name__,
)  # fmt: skip
def test_awkward_values_come_back_exactly(value: Any) -> None:
    assert identical(loads(dumps(value)), value)


def test_a_tuple_in_a_dict_key_stays_a_tuple_and_the_order_of_keys_stays() -> None:
    value = {(2, "b"): 1, (1, "a"): 2}
    assert list(loads(dumps(value)).items()) == list(value.items())


def test_the_items_of_an_array_are_little_endian_in_every_message(monkeypatch: pytest.MonkeyPatch) -> None:
    value = array.array("h", [1, -2])
    data = dumps(value)
    assert b"\x01\x00\xfe\xff" in data
    turned = array.array("h", [1, -2])
    turned.byteswap()
    monkeypatch.setattr(sys, "byteorder", "big")  # where these bytes would be other numbers
    assert dumps(turned) == data
    assert loads(data) == turned


def test_what_a_defaultdict_makes_is_made_after_the_journey_too() -> None:
    groups = loads(dumps(defaultdict(list, {"a": [1]})))
    groups["b"].append(2)
    assert groups == {"a": [1], "b": [2]}
    window = loads(dumps(deque([1, 2], maxlen=2)))
    window.append(3)
    assert list(window) == [2, 3]
    assert loads(dumps(Counter("aab"))) + Counter("b") == Counter("aabb")


def test_a_large_message_is_compressed_and_a_small_one_is_not() -> None:
    assert len(dumps(["same"] * 10_000)) < 1_000
    assert dumps("x" * 1_000)[3] == 0
    assert loads(dumps(["same"] * 10_000)) == ["same"] * 10_000


def test_what_compression_would_enlarge_is_sent_as_it_is() -> None:
    noise = b"".join(content_hash(bytes((i, j))).encode() for i in range(16) for j in range(16))
    packed = bytes.fromhex(noise.decode())
    data = dumps(packed * 2 + packed[::-1])
    assert loads(data) == packed * 2 + packed[::-1]
    incompressible = dumps(packed + bytes(reversed(packed)))
    assert incompressible[3] == 0


def test_loads_takes_any_buffer() -> None:
    data = dumps({"a": ["b"] * 5_000})
    assert loads(bytearray(data)) == loads(memoryview(data)) == loads(data)


def test_the_hash_of_content_is_stable() -> None:
    assert content_hash(b"flowq") == content_hash(b"flowq") != content_hash(b"flow")
    assert len(content_hash(b"")) == 32


@register
def first_of(text: str) -> str:
    """A function that nodes are given."""
    return text[0]


def test_a_registered_function_is_the_function_again() -> None:
    assert loads(dumps({"key": first_of}))["key"] is first_of


def test_a_function_that_nobody_registered_is_refused_with_what_to_do() -> None:
    def local(text: str) -> str:
        return text

    with pytest.raises(EncodeError, match=r"@flowq\.register above it"):
        dumps(local)


def test_large_messages_are_compressed_only_where_that_makes_them_smaller() -> None:
    chance = random.Random(7)
    noise, text = chance.randbytes(300_000), "all work and no play " * 15_000
    assert len(noise) < len(dumps(noise)) < len(noise) + 100
    assert len(dumps(text)) < len(text) // 10
    assert len(dumps([noise, text, text])) < len(noise) + len(text)
    assert loads(dumps([noise, text])) == [noise, text]


@sent_as_list
class Listed(list[Any]):
    """A list to whoever is sent it."""


@pytest.mark.parametrize("parts", [[], [1, "a"], [{1: 2}], [bytearray(b"x")], ["\ud800"], [Listed([Listed([(1,)])])]])
def test_a_list_of_a_class_that_is_sent_as_one_comes_back_plain(parts: list[Any]) -> None:
    for value, plain in ((Listed(parts), parts), ({1: Listed(parts)}, {1: parts}), ((Listed(parts),), (parts,))):
        assert dumps(value) == dumps(plain)
        assert loads(dumps(value)) == plain
    assert type(loads(dumps(Listed(parts)))) is list
    with pytest.raises(EncodeError, match=r"\[\d+\]: a lambda"):
        dumps(Listed([*parts, lambda: 1]))
