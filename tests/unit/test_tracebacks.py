"""Tracebacks as text: what Python prints, however it comes about, and each way through the code written once."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

import flowq
from flowq import tracebacks
from flowq.tracebacks import MOST_WAYS, text_of_traceback


class Silent(Exception):
    pass


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


def caught(run: Callable[[], object]) -> BaseException:
    try:
        run()
    except BaseException as error:
        return error
    raise AssertionError


def plain() -> None:
    raise ValueError("two\nlines")


def silent() -> None:
    raise Silent


def unprintable() -> None:
    raise Unprintable


def noted() -> None:
    error = KeyError("k")
    error.add_note("one\nnote")
    error.add_note("another")
    raise error


def with_odd_notes() -> None:
    error = KeyError("k")
    error.__notes__ = "odd"  # type: ignore[assignment]
    raise error


def caused() -> None:
    try:
        noted()
    except KeyError as error:
        raise ValueError("of that") from error


def meanwhile() -> None:
    try:
        caused()
    except ValueError:
        plain()


def hidden() -> None:
    try:
        plain()
    except ValueError:
        raise Silent("alone") from None


def never_raised_cause() -> None:
    raise ValueError("v") from KeyError("made")


def two_reasons() -> None:
    try:
        plain()
    except ValueError:
        raise Silent("two") from KeyError("other")


def loop() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    raise one


def group() -> None:
    raise ExceptionGroup("several", [caught(plain), caught(caused)])  # type: ignore[list-item]


def syntax() -> None:
    compile("a b", "there.py", "exec")


def mistaken() -> None:
    plian()  # type: ignore[name-defined]  # noqa: F821


def deep(left: int = 50) -> None:
    if left:
        deep(left - 1)
    raise ValueError("deep")


WAYS = [
    plain, silent, unprintable, noted, with_odd_notes, caused, meanwhile, hidden, never_raised_cause, two_reasons, loop,
    group, syntax, mistaken, deep,
]  # fmt: skip


@pytest.mark.parametrize("run", WAYS)
def test_the_text_is_what_python_prints(run: Callable[[], object]) -> None:
    for _ in range(2):  # written, and known
        error = caught(run)
        assert text_of_traceback(error) == "".join(traceback.format_exception(error))


def test_the_same_code_in_two_files_is_two_ways() -> None:
    source = "def breaks():\n    1 / 0\n"
    texts: list[str] = []
    for name in ("one.py", "other.py"):
        names: dict[str, Callable[[], object]] = {}
        exec(compile(source, name, "exec"), names)
        texts.append(text_of_traceback(caught(names["breaks"])))
    assert ["one.py" in text for text in texts] == [True, False]
    assert ["other.py" in text for text in texts] == [False, True]


def test_errors_from_one_place_are_written_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []
    whole = traceback.TracebackException

    def counted(*args: object) -> traceback.TracebackException:
        written.append(args)
        return whole(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(tracebacks.traceback, "TracebackException", counted)
    assert len({text_of_traceback(caught(lambda place=place: int(f"no {place}"))) for place in range(100)}) == 100  # type: ignore[misc]
    assert len(written) == 1


def test_no_more_than_some_ways_are_remembered() -> None:
    ways = tracebacks._Ways()
    for number in range(3 * MOST_WAYS):
        names: dict[str, Callable[[], object]] = {}
        exec(compile("\n" * number + "def breaks():\n    1 / 0\n", "some.py", "exec"), names)
        assert f"line {number + 2}" in ways.text(caught(names["breaks"]).__traceback__)
        assert len(ways._texts) <= MOST_WAYS


@pytest.mark.usefixtures("inline")
@pytest.mark.parametrize("tries", [1, 2])
def test_an_error_holds_nothing_of_other_items(tries: int) -> None:
    def breaks(item: int) -> None:
        raise ValueError(item)

    result = flowq.parallel_batch_node(exec=breaks, on_error="collect", max_retries=tries).map(range(1000))
    raised = result.errors[500].__traceback__
    assert raised is not None
    frame = raised.tb_frame
    assert frame.f_code is breaks.__code__
    assert frame.f_locals == {"item": 500}
    assert frame.f_back is not None
    assert not frame.f_back.f_locals, "such as the items it was among"
