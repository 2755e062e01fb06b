"""Exceptions as any process can rebuild them."""

from __future__ import annotations

import array
import datetime as dt
import ipaddress
import traceback
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

import flowq
from flowq import errors
from flowq.codec import dumps, loads
from flowq.portable import (
    HELD_LIMIT,
    RemoteTraceback,
    format_traceback,
    portable,
    remote_error,
    without_frames,
)
from flowq.registry import (
    register,
    rename_module,
)
from tests.unit.codec.shapes import TEXT_TYPECODE


@register
class Known(Exception):
    pass


class Unknown(Exception):
    pass


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "exc",
    [ValueError(1, ("a", [2])), Known("k"), errors.ItemTimeout(1.0), ExceptionGroup("g", [Known()])],
    ids=lambda one: type(one).__name__,
)
def test_what_every_process_knows_stays_as_it_is(exc: Exception) -> None:
    assert portable(exc) is exc


def test_an_error_may_hold_whatever_travels() -> None:
    held = [
        *(
            Counter("a"),
            Counter[str](),
            OrderedDict({1: deque([1j])}),
            defaultdict(list, {"a": range(3)}),
            defaultdict(),
        ),
        *(Fraction(1, 3), array.array("d", [1]), ipaddress.ip_network("::/0"), dt.UTC, zoneinfo.ZoneInfo("UTC")),
    ]
    error = ValueError(*held)
    assert portable(error) is error
    assert loads(dumps(error)).args == error.args


def with_an_attribute(counts: Counter[str]) -> Counter[str]:
    counts.source = "a.txt"  # type: ignore[attr-defined]
    return counts


@pytest.mark.parametrize(
    "held",
    [
        Counter({"a": object()}),
        deque([object()]),
        defaultdict(lambda: 1),
        defaultdict(Unknown),
        with_an_attribute(Counter("a")),
        array.array(TEXT_TYPECODE, "a"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_that_holds_what_the_codec_refuses_is_remote_in_one_process_too(held: Any) -> None:
    error = ValueError(held)
    assert isinstance(portable(error), errors.RemoteError)
    assert isinstance(loads(dumps(error)), errors.RemoteError)
    with pytest.raises(errors.EncodeError):
        dumps(held)


@pytest.mark.parametrize(
    "exc",
    [Unknown("u"), ValueError(object()), Known(lambda: 1), KeyboardInterrupt()],
    ids=lambda one: type(one).__name__,
)
def test_everything_else_becomes_a_remote_error_once(exc: BaseException) -> None:
    raised(exc).add_note("item 3")
    remote = portable(exc)
    assert isinstance(remote, errors.RemoteError)
    assert remote.type_name == f"{type(exc).__module__}.{type(exc).__name__}"
    assert remote.message == str(exc)
    assert "in raised" in remote.traceback
    assert remote.__cause__ is exc
    assert remote.__notes__ == ["item 3"]
    assert portable(remote) is remote


def test_a_field_that_cannot_travel_counts_like_an_arg() -> None:
    exc: Any = ValueError("a")
    exc.response = object()
    assert isinstance(portable(exc), errors.RemoteError)


def test_an_exception_that_cannot_be_printed_is_still_portable() -> None:
    remote = portable(Mute())
    assert isinstance(remote, errors.RemoteError)
    assert remote.message == "(its __str__ raised RuntimeError)"


def test_a_group_keeps_its_shape_notes_and_traceback() -> None:
    group = raised(ExceptionGroup("g", [ValueError(1), Unknown("u")]))
    group.add_note("n")
    copy = portable(group)
    assert isinstance(copy, ExceptionGroup)
    assert [type(one) for one in copy.exceptions] == [ValueError, errors.RemoteError]
    assert (copy.__notes__, copy.__traceback__) == (["n"], group.__traceback__)
    assert portable(copy) is copy


def test_a_batch_error_leaves_its_results_behind() -> None:
    copy = portable(errors.BatchError("m", {3: Unknown("u")}, results=[1]))
    assert isinstance(copy, errors.BatchError)
    assert (list(copy.errors), copy.results) == ([3], None)
    assert portable(copy) is copy
    assert portable(ExceptionGroup("g", [errors.BatchError("m", {0: ValueError()}, [1])])).exceptions[0].results is None  # type: ignore[attr-defined]


def test_an_exception_that_holds_itself_ends() -> None:
    args: list[Any] = []
    args.append(args)
    assert portable(ValueError(args))


def test_the_traceback_is_the_usual_text_or_what_came_along() -> None:
    exc = raised(ValueError("v"))
    assert format_traceback(exc) == "".join(traceback.format_exception(exc))
    exc.__cause__ = RemoteTraceback("there")
    assert format_traceback(exc) == "there"
    assert format_traceback(errors.RemoteError("a.B", "m", "far away")) == "far away"


def test_a_long_traceback_keeps_its_end_within_the_limit() -> None:
    text = format_traceback(raised(ValueError("é" * 50_000 + "\udcff the end")))
    assert len(text.encode()) <= 16384
    assert text.startswith("…\n")
    assert text.endswith("\\udcff the end\n")
    assert len(format_traceback(raised(ValueError("x" * 500)), limit_bytes=100).encode()) == 100


def test_a_traceback_begins_in_the_users_code() -> None:
    def breaks(item: int) -> int:
        return 1 // item

    with pytest.raises(flowq.BatchError) as raised:
        flowq.parallel_batch_node(exec=breaks).map([0])
    text = format_traceback(raised.value.errors[0])
    assert "return 1 // item" in text
    assert "flowq/batch" not in text
    assert text.rstrip().endswith("in node breaks, item 0, attempt 1")


def test_an_error_of_flowqs_own_keeps_its_frames() -> None:
    with pytest.raises(flowq.BatchInputError) as raised:
        flowq.parallel_batch_node(exec=str).map(3)
    assert "flowq/batch" in format_traceback(raised.value)


def test_a_class_of_a_script_that_was_loaded_under_another_name_is_shown_by_its_own() -> None:
    lost = type("Lost", (Exception,), {"__module__": "loaded_as"})
    rename_module("loaded_as", "its_own")
    assert remote_error(lost("gone")).type_name == "its_own.Lost"


@pytest.mark.parametrize(
    ("exc", "kept"),
    [
        (ValueError("m" * 1_000_000 + "é the end", 7), lambda one: one.args[0]),
        (Known(b"m" * 1_000_000 + b" the end"), lambda one: one.args[0]),
        (OSError(2, "m" * 1_000_000 + " the end", "file"), lambda one: one.strerror),
        (errors.FlowError("m" * 1_000_000 + " the end"), str),
    ],
    ids=["text", "bytes", "OSError", "FlowError"],
)
def test_of_a_long_text_an_error_holds_the_end(exc: Exception, kept: Callable[[Any], str | bytes]) -> None:
    exc.add_note("noted")
    short = portable(raised(exc))
    assert type(short) is type(exc)
    text = kept(short)
    assert len(text) == HELD_LIMIT
    assert text.endswith("the end" if isinstance(text, str) else b"the end")
    assert short.__notes__ == ["noted"]
    assert short.__traceback__ is not None
    assert portable(short) is short
    assert len(kept(loads(dumps(exc)))) == HELD_LIMIT
    assert len(dumps(short)) < 3 * HELD_LIMIT


def test_a_text_that_is_not_too_long_stays_whole() -> None:
    exc = ValueError("m" * HELD_LIMIT)
    assert portable(exc) is exc


def test_a_field_with_a_long_text_is_shortened_too() -> None:
    exc = Known("k")
    exc.body = "b" * 1_000_000  # type: ignore[attr-defined]
    assert len(portable(exc).body) == HELD_LIMIT  # type: ignore[attr-defined]


def test_an_error_without_frames_arrives_as_the_one_with_them() -> None:
    def chained() -> None:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("v") from error

    def caught() -> Exception:
        try:
            chained()
        except ValueError as error:
            return error
        raise AssertionError

    whole, bare = loads(dumps(caught())), without_frames(caught())
    assert (bare.__traceback__, bare.__context__) == (None, None)
    assert dumps(bare) == dumps(caught())
    assert format_traceback(bare) == format_traceback(whole)
    unknown = without_frames(remote_error(raised(Unknown("u"))))
    assert unknown.__cause__ is None
    assert "Unknown: u" in format_traceback(unknown)
