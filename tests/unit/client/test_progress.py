"""What progress looks like: the lines of a log, the bars of a terminal, the words for rates and times."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from flowq.batch.executor import Progress
from flowq.client.bars import Bars
from flowq.client.progress import Display, Lines
from flowq.client.wording import line_of, rate_text, span_text

HALF = Progress(10_000, 1200, 1180, 8, 12, 3, 4, 430.4, 20.4, "running")
ENDED = Progress(10_000, 10_000, 9_980, 8, 12, 0, 0, 500.0, 0.0, "succeeded")


class Counting:
    """Answers one reading after the other, the last one for ever."""

    def __init__(self, label: str, *readings: Progress) -> None:
        self.label = label
        self._readings: Iterator[Progress] = iter(readings)
        self._last = readings[-1]

    def progress(self) -> Progress:
        self._last = next(self._readings, self._last)
        return self._last


def terminal(width: int = 120) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_line_has_count_rate_outcomes_and_the_time_left() -> None:
    assert line_of(HALF) == "1,200/10,000 · 430/s · 1,180 ok · 8 fallback · 12 failed · 3 parked · 20 s left"
    assert line_of(ENDED) == "10,000/10,000 · 500/s · 9,980 ok · 8 fallback · 12 failed"


def test_an_unknown_length_and_an_early_end_are_said() -> None:
    fed = Progress(None, 5, 5, 0, 0, 0, 1, 2.5, None, "running")
    assert line_of(fed) == "5 · 2.5/s · 5 ok"
    stopped = Progress(10, 3, 2, 0, 1, 0, 0, 0.5, None, "failed")
    assert line_of(stopped) == "3/10 · 30/min · 2 ok · 1 failed · failed"


@pytest.mark.parametrize(
    ("rate", "text"), [(12_345.6, "12,346/s"), (3.21, "3.2/s"), (0.2, "12/min"), (0.001, "4/h"), (0.0, "")]
)
def test_slow_rates_are_not_rounded_to_nothing(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.7, "9.7 s"), (59.6, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (273_600, "3 d 4 h")],
)
def test_times_are_said_in_two_units(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_a_log_gets_a_line_every_so_often_and_one_at_the_end() -> None:
    log = io.StringIO()
    with Lines(log, every_s=0.0).of(Counting("prices", HALF, ENDED)) as drawing:
        drawing.update()
    assert log.getvalue().splitlines() == [f"prices: {line_of(HALF)}", f"prices: {line_of(ENDED)}"]


def test_between_two_lines_nothing_is_read() -> None:
    log = io.StringIO()
    with Lines(log, every_s=60.0).of(Counting("prices", HALF, ENDED)) as drawing:
        for _ in range(100):
            drawing.update()
    assert log.getvalue() == f"prices: {line_of(HALF)}\n"


def test_a_bar_ends_with_what_became_of_the_items() -> None:
    console = terminal()
    with Bars(console).of(Counting("prices", HALF, ENDED)) as drawing:
        drawing.update()
    assert "10,000/10,000 · 500/s · 9,980 ok · 8 fallback · 12 failed" in written(console)


def test_batches_that_run_at_once_share_one_display() -> None:
    console = terminal()
    bars = Bars(console)
    with bars.of(Counting("one", ENDED)), bars.of(Counting("two", ENDED)):
        pass
    with bars.of(Counting("three", ENDED)):
        pass
    text = written(console)
    assert all(name in text for name in ("one", "two", "three"))


def test_an_error_leaves_the_terminal_in_order() -> None:
    console = terminal()
    bars = Bars(console)
    with pytest.raises(ValueError, match="from inside"), bars.of(Counting("prices", HALF)):
        raise ValueError("from inside")
    assert written(console).endswith("\x1b[?25h"), "the cursor is shown again"


def test_a_bar_fits_into_eighty_columns() -> None:
    console = terminal(80)
    with Bars(console).of(Counting("a-label-of-some-length", HALF)) as drawing:
        drawing.update()
    assert "1,200/10,000 · 430/s · 8 fallback · 12 failed · 3 parked" in written(console)
    assert all(cell_len(line) <= 80 for line in Text.from_ansi(written(console)).plain.splitlines())


def test_no_display_reads_nothing() -> None:
    class Unread:
        label = "unread"

        def progress(self) -> Progress:
            raise AssertionError("it was read")

    with Display().of(Unread()) as drawing:
        drawing.update()
