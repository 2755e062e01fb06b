"""Exceptions travel without pickle: class, args, fields, notes and the text of the traceback."""

from __future__ import annotations

import ast
import dataclasses
import threading
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from flowq import errors, portable, registry
from flowq.codec import RemoteTraceback, dumps, loads


@registry.register
class HttpError(Exception):
    """Its constructor takes something else than its args."""

    def __init__(self, status: int, *, url: str) -> None:
        super().__init__(f"{status} at {url}")
        self.status = status
        self.url = url


@registry.register
class Missing(OSError):
    def __init__(self, path: str) -> None:
        super().__init__(2, "missing", path)


@registry.register
@dataclasses.dataclass
class Rejected(Exception):
    code: int
    why: str = "?"


class Private(Exception):
    pass


def raised(act: Callable[[], Any]) -> BaseException:
    try:
        act()
    except BaseException as error:
        return error
    raise AssertionError("it did not raise")


def throw(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize(
    "exc",
    [
        ValueError("a", 1, (2, {3})),
        KeyError(("a", 1)),
        OSError(2, "gone", "a", None, "b"),
        PermissionError(13, "no"),
        BlockingIOError(11, "later", 5),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        StopIteration(3),
        MemoryError(),
        UserWarning("w"),
        Exception("\udcff"),
        HttpError(404, url="/x"),
        Missing("/x"),
        Rejected(1, why="late"),
        Rejected(code=1),
        errors.RunCancelled("nightly-0a1b2c3d4e"),
        errors.UnknownAction("Parse", "x", ["a"]),
        errors.ItemTimeout(2.5),
        errors.WorkerCrashed("twice"),
        errors.EncodeError("[1]", "no", 7),
        errors.BatchInputError("Load", "an int"),
        errors.FewerItems("Load", 3, 5),
        errors.RemoteError("a.B", "m"),
        ExceptionGroup("g", [ValueError(1), ExceptionGroup("h", [HttpError(500, url="/")])]),
    ],
    ids=lambda one: type(one).__name__,
)
def test_known_exceptions_come_back_as_they_were(exc: Exception) -> None:
    back = loads(dumps(exc))
    assert type(back) is type(exc)
    assert (str(back), repr(back)) == (str(exc), repr(exc))
    assert portable.portable(exc) is exc
    for name in ("status", "url", "code", "why", "filename", "filename2", "errno", "known", "timeout_s", "start"):
        assert getattr(back, name, None) == getattr(exc, name, None)


def test_what_the_interpreter_keeps_beside_the_args_comes_back() -> None:
    for act, names in (
        (lambda: ast.parse("a b"), ("filename", "lineno", "offset", "text", "end_offset")),
        (lambda: None.nothing, ("name",)),  # type: ignore[attr-defined]
        (lambda: throw(ImportError("no", name="n", path="p")), ("name", "path")),
    ):
        exc = raised(act)
        back = loads(dumps(exc))
        assert [getattr(back, name) for name in names] == [getattr(exc, name) for name in names]
        assert None not in [getattr(back, name) for name in names]


def test_fields_and_notes_come_back() -> None:
    exc: Any = ValueError("a")
    exc.retry_after = 7
    exc.add_note("in node Fetch, item 3")
    back = loads(dumps(exc))
    assert (back.retry_after, back.__notes__) == (7, ["in node Fetch, item 3"])


def test_notes_are_bounded() -> None:
    exc = ValueError("a")
    for _ in range(9):
        exc.add_note("é" * 5_000)
    assert sum(len(note.encode()) for note in loads(dumps(exc)).__notes__) <= 16_384


def test_an_unknown_class_arrives_as_a_remote_error() -> None:
    exc = raised(lambda: throw(Private("secret sauce")))
    exc.add_note("item 3")
    back = loads(dumps(exc))
    assert type(back) is errors.RemoteError
    assert (back.type_name, back.message) == (f"{__name__}.Private", "secret sauce")
    assert 'throw(Private("secret sauce"))' in back.traceback
    assert back.__notes__ == ["item 3"]


@pytest.mark.parametrize(
    "exc",
    [KeyboardInterrupt(), SystemExit(3), BaseExceptionGroup("g", [KeyboardInterrupt()])],
    ids=lambda one: type(one).__name__,
)
def test_what_is_no_exception_of_programs_arrives_as_a_remote_error(exc: BaseException) -> None:
    assert loads(dumps(exc)).type_name == f"builtins.{type(exc).__name__}"


def test_a_class_whose_args_cannot_travel_arrives_as_a_remote_error() -> None:
    assert loads(dumps(ValueError(threading.Lock()))).type_name == "builtins.ValueError"


def test_a_field_that_would_hide_a_method_makes_it_a_remote_error() -> None:
    exc = ValueError("a")
    vars(exc)["add_note"] = 1
    assert loads(dumps(exc)).type_name == "builtins.ValueError"


def test_a_group_keeps_its_shape_around_what_nobody_knows() -> None:
    back = loads(dumps(ExceptionGroup("g", [KeyError(1), Private("p")])))
    assert [type(one) for one in back.exceptions] == [KeyError, errors.RemoteError]


def test_a_batch_error_keeps_its_errors_by_index_and_leaves_its_results() -> None:
    back = loads(dumps(errors.BatchError("2 failed", {3: ValueError("v"), 9: Private("p")}, results=[object()])))
    assert type(back) is errors.BatchError
    assert {index: type(one) for index, one in back.errors.items()} == {3: ValueError, 9: errors.RemoteError}
    assert back.exceptions == tuple(back.errors.values())
    assert back.results is None


def test_the_traceback_comes_back_as_the_cause_and_is_printed() -> None:
    exc = raised(lambda: 1 / 0)
    back = loads(dumps(exc))
    assert type(back.__cause__) is RemoteTraceback
    assert back.__cause__.text == "".join(traceback.format_exception(exc))
    assert "lambda: 1 / 0" in "".join(traceback.format_exception(back))


def test_an_exception_that_was_never_raised_has_no_traceback() -> None:
    assert loads(dumps(ValueError("a"))).__cause__ is None


def test_a_second_journey_keeps_the_first_traceback() -> None:
    first = loads(dumps(raised(lambda: 1 / 0)))
    second = loads(dumps(raised(lambda: throw(first))))
    assert str(second.__cause__) == str(first.__cause__)
    remote = loads(dumps(raised(lambda: throw(Private("p")))))
    again = loads(dumps(raised(lambda: throw(remote))))
    assert (again.type_name, again.message, again.traceback) == (remote.type_name, remote.message, remote.traceback)


def test_no_constructor_of_the_users_runs_on_the_way_back() -> None:
    data = dumps(HttpError(404, url="/x"))
    made: list[int] = []
    before, HttpError.__init__ = HttpError.__init__, lambda self, *args, **kwargs: made.append(1)  # type: ignore
    try:
        assert loads(data).status == 404
    finally:
        HttpError.__init__ = before  # type: ignore[method-assign]
    assert made == []
