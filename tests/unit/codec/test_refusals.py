"""What cannot travel is refused, with where it lies and what to do."""

from __future__ import annotations

import array
import asyncio
import collections
import datetime as dt
import io
import struct
import threading
import time
import zoneinfo
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowq.codec import dumps, explain
from flowq.errors import EncodeError
from tests.unit.codec.shapes import TEXT_TYPECODE, Document, Loose, Pair, Point, Stranger, User


class Text(str):
    pass


class Words(list[str]):
    pass


class Tally(collections.Counter[str]):
    pass


class Window(collections.deque[int]):
    pass


class Groups(collections.defaultdict[str, list[int]]):
    pass


class Phase(complex):
    pass


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 1, "a lambda cannot travel; write it as a top-level function with @flowq.register above it"),
        (dumps, "the function dumps cannot travel"),
        (len, "the function len cannot travel"),
        (Stranger, "the class tests.unit.codec.shapes:Stranger cannot travel"),
        (Stranger(), "flowq does not carry tests.unit.codec.shapes.Stranger"),
        (threading, "the module threading cannot travel"),
        (threading.Lock(), "belongs to this process; make it inside exec"),
        ((item for item in [1]), "make it a list first"),
        (memoryview(b"x"), r"send bytes\(view\)"),
        ([memoryview(b"x")], r"send bytes\(view\)"),
        ({}.keys(), r"send list\(value\)"),
        (collections.ChainMap(), r"dict\(value\) of a mapping"),
        (Text("a"), r"is a subclass of str and would lose its type; send str\(value\)"),
        (Words(), "is a subclass of list"),
        ({Text("a"): 1}, "is a subclass of str"),
        (Tally("a"), r"is a subclass of Counter and would lose its type; send Counter\(value\)"),
        (Window(), r"is a subclass of deque and would lose its type; send deque\(value, value\.maxlen\)"),
        (Groups(list), r"send defaultdict\(value\.default_factory, value\)"),
        (Phase(1), r"is a subclass of complex and would lose its type; send complex\(value\)"),
        (
            collections.defaultdict(lambda: 1),
            r"one of bool, int, .*, deque, not with a lambda; send dict\(value\), or set",
        ),
        (collections.defaultdict(Tally), r"not with Tally; send dict\(value\)"),
        (collections.defaultdict(collections.defaultdict), "not with defaultdict"),
        (collections.defaultdict(len), "not with len"),
        (array.array(TEXT_TYPECODE, "a"), r"an array of the typecode '[uw]' is text; send value\.tounicode\(\)"),
        (Ellipsis, "does not carry builtins.ellipsis"),
    ],
)
def test_the_reason_names_the_type_and_the_way_out(value: Any, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason):
        dumps(value)


@pytest.mark.parametrize(
    ("module", "name", "base", "advice"),
    [
        ("pandas.core.frame", "DataFrame", list, r"send frame\.to_dict\('list'\), or the path of a Parquet file"),
        ("pandas", "DataFrame", list, r"send frame\.to_dict\('list'\)"),  # as pandas 3 calls it
        ("pandas.core.series", "Series", list, r"send series\.tolist\(\)"),
        ("pandas._libs.tslibs.timestamps", "Timestamp", dt.datetime, r"send value\.to_pydatetime\(\)"),
        ("pandas._libs.tslibs.timedeltas", "Timedelta", dt.timedelta, r"send value\.to_pytimedelta\(\)"),
        ("pandas._libs.missing", "NAType", object, "send None"),
        (
            "pandas",
            "Pandas",
            NamedTuple("Row", [("a", int)]),
            r"send the plain tuples of frame\.itertuples\(name=None\)",
        ),
    ],
)
def test_what_is_of_pandas_is_sent_as_what_pandas_makes_of_it(module: str, name: str, base: type, advice: str) -> None:
    cls = type(name, (base,), {"__module__": module})
    value = cls(2026, 1, 1) if base is dt.datetime else cls(1) if issubclass(base, tuple) else cls()
    with pytest.raises(EncodeError, match=advice):
        dumps(value)


def test_an_open_file_is_opened_inside_exec() -> None:
    with Path(__file__).open() as file, pytest.raises(EncodeError, match="open the file inside exec"):
        dumps(file)


def test_a_coroutine_is_awaited_first() -> None:
    waiting = asyncio.sleep(0)
    with pytest.raises(EncodeError, match="await it first"):
        dumps(waiting)
    waiting.close()


def test_a_foreign_time_zone_is_named() -> None:
    class Moon(dt.tzinfo):
        pass

    with pytest.raises(EncodeError, match=r"its tzinfo is a .*Moon; use zoneinfo"):
        dumps([dt.datetime(2026, 1, 1, tzinfo=Moon())])  # type: ignore[abstract]


def test_an_attribute_of_a_counter_is_not_left_behind_unsaid() -> None:
    counts = collections.Counter("a")
    counts.source = "a.txt"  # type: ignore[attr-defined]
    with pytest.raises(EncodeError, match="this Counter holds the attribute 'source', which would be lost"):
        dumps(counts)


def test_a_time_zone_out_of_a_file_has_no_name_to_be_found_by() -> None:
    counts = struct.pack(">6l", 0, 0, 0, 0, 1, 4)
    file = io.BytesIO(b"TZif".ljust(20, b"\0") + counts + struct.pack(">l2B", 3600, 0, 0) + b"ONE\0")
    zone = zoneinfo.ZoneInfo.from_file(file)
    with pytest.raises(EncodeError, match=r"use zoneinfo\.ZoneInfo\(key\)"):
        dumps([zone])


BAD = Stranger()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (BAD, ""),
        ([0, 1, 2, BAD], "[3]"),
        ({"user": {"avatar": BAD}}, '["user"]["avatar"]'),
        ({"user": Document("a", [BAD])}, '["user"].pages[0]'),
        ({"a": (1, {2: BAD})}, '["a"][1][2]'),
        ({(1, BAD): 0}, "{key 0}[1]"),
        ({"a": {1, BAD}}, '["a"]{element '),
        ([collections.Counter({"a": 1, "b": [BAD]})], '[0]["b"][0]'),
        (collections.OrderedDict({1: 1, 2: BAD}), "[2]"),
        (collections.defaultdict(list, {"a": [1, BAD]}), '["a"][1]'),
        (collections.Counter({(1, BAD): 1}), "{key 0}[1]"),
        ({"d": collections.deque([1, {"x": BAD}], maxlen=3)}, '["d"][1]["x"]'),
        ([Point(1, BAD)], "[0].y"),
        (Pair(1, [BAD]), ".right[0]"),
        (User(user_name="a", boss=User(user_name="b", tags=[BAD])), ".boss.tags[0]"),
        (Loose(other=BAD), ".other"),  # type: ignore[call-arg]
    ],
)
def test_the_path_leads_to_the_culprit(value: Any, path: str) -> None:
    with pytest.raises(EncodeError) as caught:
        dumps(value)
    assert caught.value.path.startswith(path)
    assert bool(caught.value.path) == bool(path)


def test_a_private_attribute_is_on_the_path() -> None:
    user = User(user_name="a")
    user._token = BAD
    with pytest.raises(EncodeError) as caught:
        dumps([user])
    assert caught.value.path == "[0]._token"


def test_explain_names_the_item_and_says_nothing_of_what_travels() -> None:
    error = explain(["a", BAD], index=17)
    assert error is not None
    assert (error.index, error.path) == (17, "[1]")
    assert str(error).startswith("cannot encode item 17 at [1]: flowq does not carry")
    assert explain({"a": [1, (2,)]}) is None


def test_a_needle_in_a_million_parts_is_found_soon() -> None:
    began = time.perf_counter()
    error = explain({"rows": [*range(500_000), BAD, *range(500_000)]})
    assert error is not None
    assert error.path == '["rows"][500000]'
    assert time.perf_counter() - began < 5


def test_a_value_that_contains_itself_is_said_to() -> None:
    ring: list[Any] = [1]
    ring.append({"back": ring})
    with pytest.raises(EncodeError, match=r'at \[1\]\["back"\]: it contains itself'):
        dumps(ring)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {1: inner}, Point])
def test_too_deep_is_an_error_and_not_the_end_of_the_process(wrap: Any) -> None:
    value: Any = None
    for _ in range(20_000):
        value = wrap(value)
    with pytest.raises(EncodeError, match="nested too deeply"):
        dumps(value)
    while value is not None:  # taken apart from outside: the nest's own end would recurse
        (value,) = value.values() if type(value) is dict else (value.x,) if type(value) is Point else value


def test_what_is_larger_than_the_limit_is_refused_before_it_is_compressed() -> None:
    with pytest.raises(EncodeError, match="takes 1,003 bytes and the limit is 1,000"):
        dumps("x" * 1_000, max_bytes=1_000)


def test_an_error_in_the_users_own_property_is_a_refusal_with_its_text() -> None:
    class Angry:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:  # what isinstance asks
            raise RuntimeError("do not ask")

    with pytest.raises(EncodeError, match="do not ask"):
        dumps([Angry()])
