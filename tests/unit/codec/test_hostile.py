"""Any bytes whatsoever: a value or a DecodeError, in bounded memory; never an import, never the end of the process."""

from __future__ import annotations

import array
import contextlib
import datetime as dt
import ipaddress
import random
import subprocess
import sys
import threading
import time
import tracemalloc
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import ormsgpack
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from flowq import registry
from flowq.codec import dumps, loads, tags
from flowq.codec.envelope import seal
from flowq.codec.nesting import too_deep
from flowq.codec.pack import pack
from flowq.errors import DecodeError, EncodeError
from tests.unit.codec.shapes import Colour, Document, Pair, Point, Right, User

RICH: Any = [
    {"a": (1, 2.5, None, True), 3: {4, "five"}, (6, 7): b"8"},
    [2**80, Decimal("1.5"), UUID(int=9), Path("/a"), bytearray(b"b"), "\udcff"],
    [dt.datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), dt.time(3), dt.date.max, dt.timedelta(4)],
    [Counter("aab"), OrderedDict({2: 1}), defaultdict(list, {"a": [1]}), deque([1, 2], 3), array.array("h", [1, 2])],
    [range(1, 2**70, 3), 1j, Fraction(-1, 3), ipaddress.ip_address("1.2.3.4"), ipaddress.ip_network("::/9"), dt.UTC],
    [Colour.RED, Right.READ | Right.RUN, Point(1, Pair(2)), Document("d", [Point(3)]), User(user_name="u")],
    [ValueError("v"), OSError(2, "gone", "f"), ExceptionGroup("g", [KeyError(1), SyntaxError("s", ("f", 1, 2, "t"))])],
]
PACKED = pack(RICH)


def loads_or_refuses(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        repr(loads(data, max_bytes=1 << 20))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_value_or_a_refusal(payload: bytes) -> None:
    loads_or_refuses(payload)
    loads_or_refuses(seal(payload))
    loads_or_refuses(b"FQ\x01\x01" + payload)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_messages_are_a_value_or_a_refusal(seed: int) -> None:
    rng = random.Random(seed)
    sealed = [seal(PACKED), seal(pack([RICH] * 20))]
    for _ in range(500):
        loads_or_refuses(seal(mutated(PACKED, rng)))
        loads_or_refuses(mutated(rng.choice(sealed), rng))


def mutated(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out))
        match rng.randrange(5):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                out[at] = rng.randrange(256)
            case 2:
                del out[at : at + rng.randint(1, 9)]
            case 3:
                out[at:at] = rng.randbytes(rng.randint(1, 9))
            case 4:
                other = rng.randrange(len(out))
                out[at:at] = out[other : other + rng.randint(1, 40)]
        out = out or bytearray(b"\xc0")
    return bytes(out)


@pytest.mark.parametrize("cut", range(0, len(PACKED), 7))
def test_every_truncation_is_refused(cut: int) -> None:
    with pytest.raises(DecodeError):
        loads(seal(PACKED[:cut]))


@pytest.mark.parametrize("data", [b"", b"F", b"FQ", b"FQ\x01", b"FQ\x01\x00", b"{}", b"\x80\x04\x95.", b"FQ\x01\x01"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(data)


@pytest.mark.parametrize("data", [None, 3, "FQ\x01\x00\xc0", [1], object()], ids=lambda one: type(one).__name__)
def test_what_is_not_even_bytes_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError):
        loads(data)


def test_another_version_says_which_one_this_process_reads() -> None:
    with pytest.raises(DecodeError, match="codec version 7; this process reads version 1"):
        loads(b"FQ\x07" + dumps(1)[3:])


def test_unknown_flags_and_unknown_extensions_are_refused() -> None:
    with pytest.raises(DecodeError, match="unknown flags 0x02"):
        loads(b"FQ\x01\x02\xc0")
    with pytest.raises(DecodeError, match="extension 99"):
        loads(extension(99, b""))


def extension(tag: int, payload: bytes) -> bytes:
    return seal(ormsgpack.packb(ormsgpack.Ext(tag, payload)))


@pytest.mark.parametrize("head", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xdd\xff\xff\xff\xff\xc0", b"\xc9"])
def test_a_claimed_length_allocates_nothing(head: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(DecodeError):
        loads(seal((head + b"\xff\xff\xff\xff\x01") * 200))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_few_bytes_that_describe_much_allocate_little() -> None:
    tracemalloc.start()
    assert loads(extension(tags.RANGE, pack([0, 2**4000, 1])))[2**3999] == 2**3999
    assert loads(extension(tags.DEQUE, pack([sys.maxsize, 1]))) == deque([1])
    assert loads(extension(tags.ADDRESS, b"\x05::/0")).num_addresses == 2**128
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_a_fraction_of_megabytes_is_not_reduced_again() -> None:
    terms = [int.from_bytes(random.Random(seed).randbytes(2_000_000), "little") | 1 for seed in (1, 2)]
    began_s = time.perf_counter()
    fraction = loads(extension(tags.FRACTION, pack(terms)))
    assert time.perf_counter() - began_s < 5  # to reduce it takes minutes
    assert [fraction.numerator, fraction.denominator] == terms


def zstd_message(content: bytes, claimed_bytes: int, **options: Any) -> bytes:
    frame = zstandard.ZstdCompressor(level=1, **options).compress(content)
    return b"FQ\x01\x01" + claimed_bytes.to_bytes(4, "big") + frame


BOMB = bytes(64 << 20)


def test_a_bomb_is_refused_by_what_it_claims() -> None:
    with pytest.raises(DecodeError, match=r"claims 67,108,864 bytes; the limit is 1,048,576"):
        loads(zstd_message(BOMB, len(BOMB), write_content_size=False), max_bytes=1 << 20)


@pytest.mark.parametrize("write_content_size", [True, False])
def test_a_bomb_that_lies_about_its_size_is_refused_without_unpacking(write_content_size: bool) -> None:
    message = zstd_message(BOMB, 1 << 16, write_content_size=write_content_size)
    tracemalloc.start()
    with pytest.raises(DecodeError):
        loads(message)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_compressed_parts_that_do_not_add_up_are_refused() -> None:
    content = pack(["x"] * 9_000)
    whole = zstd_message(content, len(content), write_content_size=False)
    assert loads(whole) == ["x"] * 9_000
    for broken in (
        whole[:-1],
        whole + b"more",
        whole + whole[8:],
        zstd_message(content, len(content) + 1, write_content_size=False),
        zstd_message(content, len(content) - 1, write_content_size=False),
        zstd_message(content, 0, write_content_size=False),
        whole[:8],
    ):
        with pytest.raises(DecodeError):
            loads(broken)


def test_a_plain_message_larger_than_the_limit_is_refused() -> None:
    with pytest.raises(DecodeError, match="more than the limit of 100"):
        loads(dumps("x" * 200), max_bytes=100)


def nested(levels: int, inside: bytes) -> bytes:
    payload = b"\xc0"
    for _ in range(levels):
        payload = ormsgpack.packb(ormsgpack.Ext(tags.TUPLE, inside + payload))
    return seal(payload)


def test_the_deepest_lists_between_extensions_end_neither_side() -> None:
    value: Any = None
    for _ in range(64):
        for _ in range(250):
            value = {"a": value}
        value = (value,)
    with pytest.raises(EncodeError, match="nested too deeply"):
        dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        seal(b"\x91" * 1_000_000),
        seal(b"\x81\xa1a" * 1_000_000),
        nested(100, b"\x91"),
        nested(65, b"\x91"),
        nested(64, b"\x91" * 1020),
        nested(64, b"\x81\xa1a" * 1020 + b"\x91"),
        nested(5_000, b"\x91"),
    ],
    ids=["lists", "dicts", "100 tuples", "65 tuples", "64 × 1,020 lists", "64 × 1,020 dicts", "5,000 tuples"],
)
def test_deep_nesting_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(data)


def test_deep_nesting_is_refused_on_the_stack_of_a_thread_too() -> None:
    refused: list[BaseException] = []

    def attack() -> None:
        for inside in (b"\x91" * 1020, b"\x81\xa1a" * 1020 + b"\x91"):
            try:
                loads(nested(64, inside))
            except DecodeError as error:
                refused.append(error)

    thread = threading.Thread(target=attack)
    thread.start()
    thread.join()
    assert len(refused) == 2


def test_the_deepest_value_that_is_taken_comes_back_and_a_lower_limit_holds() -> None:
    value: Any = None
    for _ in range(64):
        value = (value,)
    assert loads(dumps(value)) == value
    with pytest.raises(DecodeError, match="more than 10 extensions inside each other"):
        loads(dumps(value), max_depth=10)
    assert loads(dumps([(1,)]), max_depth=1) == [(1,)]
    with pytest.raises(DecodeError):
        loads(dumps([(1,)]), max_depth=0)


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.one_of(
            *(st.none(), st.integers(-(2**70), 2**70), st.text(), st.binary(max_size=300), st.floats()),
            *(st.complex_numbers(), st.fractions(), st.ip_addresses(), st.builds(range, st.integers())),
            st.binary(max_size=300).map(lambda data: array.array("B", data)),
        ),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.text(), inner)
            | st.sets(st.integers())
            | inner.map(lambda x: (x,))
            | inner.map(lambda x: deque([x], 2))
            | inner.map(lambda x: defaultdict(list, a=x))
            | inner.map(lambda x: OrderedDict({1: x}))
        ),
    )
)
def test_the_measure_of_depth_reads_what_is_packed(value: Any) -> None:
    padding = bytes(2_000)
    assert not too_deep(pack([value, padding, value]))
    packed = b"\x93" + pack(value) + b"\x91" * 100 + pack([value, padding]) + b"\xc0"
    assert not too_deep(packed)
    packed = b"\x93" + pack(value) + b"\x91" * 520 + pack([value, padding]) + b"\xc0"
    assert too_deep(packed)


NODE_LIKE = type("NodeLike", (), {"exec": lambda self, item: item})


@pytest.mark.parametrize("tag", [tags.DATACLASS, tags.ENUM, tags.MODEL, tags.NAMED_TUPLE, tags.EXCEPTION])
@pytest.mark.parametrize(
    "name",
    [
        "os:system",
        "os.system",
        "subprocess:Popen",
        "builtins:eval",
        "builtins:KeyboardInterrupt",
        "builtins:BaseExceptionGroup",
        "flowq.errors:Any",
        "flowq.errors:annotations",
        "",
        ":",
        "antigravity:x",
        3,
        None,
        ["os", "system"],
        "a" * 10_000,
    ],
    ids=lambda name: repr(name)[:40],
)
def test_a_name_that_is_not_registered_is_refused_and_never_imported(tag: int, name: Any) -> None:
    before = set(sys.modules)
    for parts in ([name, {}], [name, "x"], [name, []], [name, {}, None, None, None], [name, [], {}, [], ""]):
        with pytest.raises(DecodeError):
            loads(extension(tag, pack(parts)))
    assert set(sys.modules) == before
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    ("tag", "cls"),
    [
        (tags.DATACLASS, Colour),
        (tags.DATACLASS, User),
        (tags.DATACLASS, Pair),
        (tags.DATACLASS, registry.register(NODE_LIKE)),
        (tags.ENUM, Point),
        (tags.MODEL, Point),
        (tags.NAMED_TUPLE, Point),
        (tags.EXCEPTION, Point),
    ],
)
def test_a_registered_class_of_another_kind_is_refused(tag: int, cls: type) -> None:
    name = registry.class_name(cls)
    shapes: list[list[Any]] = [[name, {}], [name, {}, None, None, None], [name, [], {}, [], ""]]
    for parts in shapes:
        with pytest.raises(DecodeError):
            loads(extension(tag, pack(parts)))


@pytest.mark.parametrize(
    ("tag", "payload"),
    [
        (tags.TUPLE, pack({"a": 1})),
        (tags.SET, pack([[1]])),
        (tags.PAIRS, pack([1, 2, 3])),
        (tags.PAIRS, pack([[], 2])),
        (tags.DATETIME, b"2026-99-99"),
        (tags.DATETIME, pack(["2026-01-01", 7, None])),
        (tags.DATETIME, pack(["2026-01-01", 0, "../../etc/passwd"])),
        (tags.DATETIME, pack(["2026-01-01", 0, "Europe"])),
        (tags.DATETIME, pack(["2026-01-01", 0, "No/Where"])),
        (tags.DATETIME, pack(["2026-01-01", 0, [99, 0, 0]])),
        (tags.DATE, b"\xff"),
        (tags.TIMEDELTA, b"\x7f\xff\xff\xff" * 3),
        (tags.TIMEDELTA, b""),
        (tags.DECIMAL, b"one"),
        (tags.UUID, b"short"),
        (tags.PATH, b""),
        (tags.PATH, b"\x09a"),
        (tags.COMPLEX, b"\0" * 15),
        (tags.FRACTION, pack([1, 0])),
        (tags.FRACTION, pack([1, -3])),
        (tags.FRACTION, pack([1.5, 2])),
        (tags.FRACTION, pack(["1e999999999", 1])),
        (tags.FRACTION, pack([True, 1])),
        (tags.FRACTION, pack([1])),
        (tags.FRACTION, b"1/3"),
        (tags.ADDRESS, b""),
        (tags.ADDRESS, b"\x06::1"),
        (tags.ADDRESS, b"\x00::1"),
        (tags.ADDRESS, b"\x0212.0.0.1/8"),
        (tags.ADDRESS, b"\x02\xff"),
        (tags.ZONE, pack(None)),
        (tags.ZONE, pack("../../etc/passwd")),
        (tags.ZONE, pack("No/Where")),
        (tags.ZONE, pack([99, 0, 0])),
        (tags.ZONE, pack({"key": "UTC"})),
        (tags.RANGE, pack([0, 1])),
        (tags.RANGE, pack([0, 1, 0])),
        (tags.RANGE, pack([0, 1.5, 1])),
        (tags.RANGE, pack([False, 1, 1])),
        (tags.RANGE, pack({"stop": 1})),
        (tags.TYPED_ARRAY, b""),
        (tags.TYPED_ARRAY, b"h"),
        (tags.TYPED_ARRAY, b"h\x02\x01"),
        (tags.TYPED_ARRAY, b"h\x04\0\0\0\0"),
        (tags.TYPED_ARRAY, b"u\x04a\0\0\0"),
        (tags.TYPED_ARRAY, b"\xff\x01\0"),
        (tags.COUNTER, pack([1, 2])),
        (tags.COUNTER, pack("aab")),
        (tags.COUNTER, ormsgpack.packb(ormsgpack.Ext(tags.PAIRS, pack([[], 2])))),
        (tags.ORDERED_DICT, pack([["a", 1]])),
        (tags.ORDERED_DICT, ormsgpack.packb(ormsgpack.Ext(tags.PAIRS, pack([{}, 2])))),
        (tags.DEFAULT_DICT, pack({"a": 1})),
        (tags.DEFAULT_DICT, pack(["list", [1, 2]])),
        (tags.DEFAULT_DICT, pack(["eval", {}])),
        (tags.DEFAULT_DICT, pack(["os:system", {}])),
        (tags.DEFAULT_DICT, pack([["list"], {}])),
        (tags.DEFAULT_DICT, pack([0, {}])),
        (tags.DEFAULT_DICT, pack(["list", {}, 1])),
        (tags.DEQUE, pack([])),
        (tags.DEQUE, pack({"maxlen": 1})),
        (tags.DEQUE, pack([1, "a", "b"])),
        (tags.DEQUE, pack([-1])),
        (tags.DEQUE, pack([True, 1])),
        (tags.DEQUE, pack(["9", 1])),
        (tags.DEQUE, pack([2**80, 1])),
        (tags.FUNCTION, b"os:system"),
        (tags.FUNCTION, b"builtins:eval"),
        (tags.FUNCTION, b"\xff"),
        (tags.TEXT, b"\xff"),
        (tags.DATACLASS, pack([registry.class_name(Point), {"x": 1}])),
        (tags.DATACLASS, pack([registry.class_name(Point), {"x": 1, "y": 2, "__class__": 3}])),
        (tags.DATACLASS, pack([registry.class_name(Point), [1, 2]])),
        (tags.ENUM, pack([registry.class_name(Colour), "__class__"])),
        (tags.ENUM, pack([registry.class_name(Right), 1024])),
        (tags.NAMED_TUPLE, pack([registry.class_name(Pair), [1]])),
        (tags.MODEL, pack([registry.class_name(User), {"name": 1}, None, None, None])),
        (tags.MODEL, pack([registry.class_name(User), {"name": 1, "tags": 2, "boss": 3}, ["other"], None, None])),
        (tags.MODEL, pack([registry.class_name(User), {"name": 1, "tags": 2, "boss": 3}, None, {"extra": 1}, None])),
        (tags.MODEL, pack([registry.class_name(User), {"name": 1, "tags": 2, "boss": 3}, None, None, {"exec": 1}])),
        (tags.EXCEPTION, pack(["builtins:UnicodeDecodeError", [1], {}, [], ""])),
        (tags.EXCEPTION, pack(["builtins:ExceptionGroup", ["g", []], {}, [], ""])),
        (tags.EXCEPTION, pack(["builtins:ValueError", [1], {"add_note": 1}, [], ""])),
        (tags.EXCEPTION, pack(["builtins:ValueError", [1], {"__notes__": 1}, [], ""])),
        (tags.EXCEPTION, pack(["builtins:ValueError", [1], {}, [1], ""])),
        (tags.EXCEPTION, pack(["builtins:ValueError", [1], {}, [], 1])),
        (tags.EXCEPTION, pack(["builtins:SyntaxError", ["m", ["f", "x", "y", "z", "a", "b"]], {}, [], ""])),
        (tags.EXCEPTION, pack(["flowq.errors:ItemTimeout", ["soon"], {}, [], ""])),
        (tags.EXCEPTION, pack(["flowq.errors:BatchError", ["m", 3], {}, [], ""])),
        (tags.EXCEPTION, pack(["flowq.errors:RemoteError", [], {}, [], ""])),
    ],
)  # fmt: skip
def test_payloads_that_describe_no_value_are_refused(tag: int, payload: bytes) -> None:
    with pytest.raises(DecodeError):
        loads(extension(tag, payload))


def test_a_keyboard_interrupt_inside_a_value_is_not_swallowed() -> None:
    class Interrupting:
        @property  # type: ignore[misc]
        def __class__(self) -> Any:  # what isinstance asks
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dumps([Interrupting()])
    assert dumps(1) == dumps(1)


def test_decoding_needs_neither_pickle_nor_kombu_nor_numpy() -> None:
    program = (
        "import sys; from flowq.codec import dumps, loads; loads(dumps({1: (2, ValueError(3))}));"
        "assert not {'kombu', 'celery', 'numpy'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize(
    ("tag", "name", "parts"),
    [
        (tags.DATACLASS, "flowq:Tomorrow", [{}]),
        (tags.MODEL, "flowq.batch.policies.next:Tomorrow", [{}, None, None, None]),
        (tags.IN_PARTS, "flowq:Tomorrow", [[]]),
        (tags.EXCEPTION, "flowq:Tomorrow", [[], {}, [], ""]),
        (tags.EXCEPTION, "flowq.errors:Tomorrow", [[], {}, [], ""]),
    ],
)
def test_a_class_that_only_another_release_of_flowq_has_is_told_as_that(tag: int, name: str, parts: list[Any]) -> None:
    with pytest.raises(DecodeError, match=f"{name}', which this release of flowq does not have") as told:
        loads(extension(tag, pack([name, *parts])))
    assert told.value.lacks == name
