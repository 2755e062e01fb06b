"""numpy arrays and scalars: dtype, shape, memory order and values, where numpy is installed."""

from __future__ import annotations

from typing import Any

import ormsgpack
import pytest

from flowq.codec import dumps, loads, tags
from flowq.codec.envelope import seal
from flowq.codec.pack import pack
from flowq.errors import DecodeError, EncodeError

np = pytest.importorskip("numpy")

ARRAYS = {
    "matrix": lambda: np.arange(6).reshape(2, 3),
    "fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big endian": lambda: np.arange(6, dtype=">i4"),
    "no dimension": lambda: np.array(5),
    "empty": lambda: np.zeros((0, 3)),
    "text": lambda: np.array(["a", "bé", "\U0010ffff"]),
    "big endian text": lambda: np.array(["a", "bé"], dtype=">U3"),
    "bytes": lambda: np.array([b"a", b""]),
    "booleans": lambda: np.array([True, False]),
    "moments": lambda: np.array(["2026-01-01", "NaT"], dtype="M8[25us]"),
    "spans": lambda: np.array([1], dtype="m8[s]"),
    "complex": lambda: np.array([1j, np.nan]),
    "half": lambda: np.array([1], dtype="f2"),
    "strided": lambda: np.arange(10)[::2],
}


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_comes_back_with_dtype_shape_order_and_values(name: str) -> None:
    array = ARRAYS[name]()
    (back,) = loads(dumps((array,)))
    assert type(back) is np.ndarray
    assert (back.dtype, back.dtype.str, back.shape) == (array.dtype, array.dtype.str, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable
    if array.flags.c_contiguous or array.flags.f_contiguous:
        assert back.flags.f_contiguous == array.flags.f_contiguous
        assert back.flags.c_contiguous == array.flags.c_contiguous


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.float64(1.5),
        lambda: np.float32(2),
        lambda: np.int8(-3),
        lambda: np.bool_(True),
        lambda: np.str_("é"),
        lambda: np.str_(""),
        lambda: np.bytes_(b"a\0b"),
        lambda: np.datetime64("2026-01-01"),
        lambda: np.timedelta64(3, "s"),
        lambda: np.complex64(1j),
    ],
)
def test_a_scalar_keeps_its_type(make: Any) -> None:
    value = make()
    back = loads(dumps({"a": value}))["a"]
    assert type(back) is type(value)
    assert back == value
    assert back.dtype == value.dtype


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: np.array([object()]), "array of objects"),
        (lambda: np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]), "send its fields as arrays"),
        (lambda: np.zeros(2, dtype=[("a", "O")]), "array of objects"),
        (lambda: np.void(b"abc"), "is not carried"),
        (lambda: np.ma.array([1]), "subclass of numpy.ndarray"),
        (lambda: np.array([1], dtype=np.dtype("i4", metadata={"a": 1})), "is not carried"),
    ],
)
def test_what_bytes_do_not_say_is_refused(make: Any, reason: str) -> None:
    with pytest.raises(EncodeError, match=reason):
        dumps(make())


@pytest.mark.parametrize(
    "parts",
    [
        ["|O", [1], "C", bytes(8)],
        ["O", [1], "C", bytes(8)],
        ["<f8,(2)", [1], "C", bytes(8)],
        ["<f8", [2], "C", bytes(8)],
        ["<f8", [2**62, 4], "C", b""],
        ["<f8", [-1], "C", bytes(8)],
        ["<f8", [1], "K", bytes(8)],
        ["<f8", [1] * 100, "C", bytes(8)],
        ["<f8", "a", "C", bytes(8)],
        ["<U0", [2**62], "C", b""],
        ["<U1", [1], "C", b"\xff\xff\xff\xff"],
        ["|b1", [1], "C", b"\x02"],
        ["<M8[ab]", [1], "C", bytes(8)],
        [1, 2, 3, 4],
        [],
    ],
    ids=lambda one: type(one).__name__,
)
def test_hostile_arrays_are_refused(parts: Any) -> None:
    with pytest.raises(DecodeError):
        loads(seal(ormsgpack.packb(ormsgpack.Ext(tags.ARRAY, pack(parts)))))


@pytest.mark.parametrize(
    "parts",
    [["|O", bytes(8)], ["<f8", b""], ["U", b"a"], ["S", "a"], ["V3", b"abc"], [1]],
    ids=lambda one: type(one).__name__,
)
def test_hostile_scalars_are_refused(parts: Any) -> None:
    with pytest.raises(DecodeError):
        loads(seal(ormsgpack.packb(ormsgpack.Ext(tags.SCALAR, pack(parts)))))
