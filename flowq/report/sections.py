"""The sections of a report, each made from the course of the batch. page.py puts them in order."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from flowq.batch.results.outcome import Outcome
from flowq.client.wording import span_text
from flowq.html.columns import Column, Tick, columns
from flowq.html.lanes import Lane, lanes
from flowq.html.markup import badge, code, nowrap, section, table
from flowq.report.course import Course
from flowq.report.spread import span
from flowq.report.timeline import Bins

STATUSES = ("ok", "fallback", "failed")
LANES = 30
STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400)
MOST_TICKS = 10
PER_DECADE = 5
TRACEBACK_BYTES = 4000
INPUT_LETTERS = 200


def over_time(course: Course) -> str:
    """Items per second over time, by status."""
    bins = course.bins
    if not bins.n:
        return section("Over time", "No item has run yet.", "")
    there = [status for status in STATUSES if any(bins.done.get(status, ()))]
    bars = []
    for place in range(bins.n):
        counts = {status: bins.done[status][place] for status in there}
        said = ", ".join(f"{count:,.0f} {status}" for status, count in counts.items() if count >= 0.5)
        parts = [(count / bins.width_s, f"s-{status}") for status, count in counts.items()]
        bars.append(Column(parts, f"{_moment(bins, place)}: {said or 'nothing'} in {span(bins.width_s)}"))
    legend = "".join(f'<span class="key s-{status}">{status}</span>' for status in there)
    chart = columns(
        bars, label="Items per second over time", ticks=_ticks(bins), x_title="since the first item began",
        y_title="items per second", cuts=_cuts(bins), height=280,
    )  # fmt: skip
    words = f"Items that ended, in steps of {span(bins.width_s)}.{_cut_words(bins)}"
    return section("Over time", words, f'<p class="legend">{legend}</p>{chart}')


def by_worker(course: Course) -> str:
    """The work of each worker over time."""
    bins = course.bins
    if not bins.busy:
        return ""
    shares = {worker: sum(row) / max(1, bins.n) for worker, row in bins.busy.items()}
    shown = sorted(sorted(shares, key=lambda worker: -shares[worker])[:LANES])
    rows = [
        Lane(worker or "this process", bins.busy[worker], f"{worker}: {shares[worker]:.2f} ranges at once on average")
        for worker in shown
    ]
    more = f" {len(shares) - LANES:,} more workers did less." if len(shares) > LANES else ""
    chart = lanes(rows, label="Work by worker over time", ticks=_ticks(bins), cuts=_cuts(bins))
    return section("By worker", f"Darker is busier; empty is idle, or not there.{more}", chart)


def item_times(course: Course) -> str:
    """The histogram of item durations."""
    counts, first_s = course.spread.columns(PER_DECADE)
    if not counts:
        return ""
    edges = [first_s * 10 ** (place / PER_DECADE) for place in range(len(counts) + 1)]
    bars = [
        Column([(count, "s-ok")], f"{count:,} items: {span(edges[place])} to {span(edges[place + 1])}")
        for place, count in enumerate(counts)
    ]
    every = max(1, len(edges) // 12)
    ticks = [(place, span(edge)) for place, edge in enumerate(edges) if place % every == 0]
    chart = columns(bars, label="Items by time", ticks=ticks, x_title="time of an item (logarithmic)", values=True)
    return section("How long items took", "All tries of an item, without the waits between them.", chart)


def slowest(course: Course) -> str:
    """The slowest items."""
    if not course.slowest:
        return ""
    rows = [
        (f"{one.index:,}", span(one.seconds), f"{one.attempts:,}", f"{badge(one.status)} {escape(one.worker)}")
        for one in course.slowest
    ]
    chart = table(("item", "time", "tries", "outcome, worker"), rows, numbers={0, 1, 2})
    return section("The slowest items", "Where time went that more workers would not have saved.", chart)


def failed(course: Course) -> str:
    """The failed items, by type of error and one by one."""
    if not course.failures:
        return ""
    total = course.kinds.total()
    kinds = ", ".join(f"{count:,} × {code(kind)}" for kind, count in course.kinds.most_common(10))
    rows = [
        (f"{one.index:,}", f"{one.attempts:,}", _item(one), _error(one), nowrap(one.worker)) for one in course.failures
    ]
    chart = table(("item", "tries", "input", "error", "worker"), rows, numbers={0, 1})
    first = f" The first {len(rows):,} of {total:,}:" if total > len(rows) else ""
    return section("Failed items", f"{kinds}.{first}", chart, anchor="failed")


def _item(one: Outcome) -> str:
    what = one.key if one.key is not None else "" if one.input is None else repr(one.input)
    return code(what if len(what) <= INPUT_LETTERS else what[:INPUT_LETTERS] + "…") if what else "–"


def _error(one: Outcome) -> str:
    text = one.error_text
    first = escape(text if len(text) <= INPUT_LETTERS else text[:INPUT_LETTERS] + "…")
    trace = one.traceback[-TRACEBACK_BYTES:].strip()
    return f"<details><summary>{first}</summary><pre>{escape(trace)}</pre></details>" if trace else first


def _ticks(bins: Bins) -> list[Tick]:
    """Axis ticks at round times, at most about ten."""
    lasted_s = bins.n * bins.width_s
    step_s = next((step for step in STEPS_S if lasted_s / step <= MOST_TICKS), STEPS_S[-1])
    return [
        (number * step_s / bins.width_s, _tick_words(number * step_s)) for number in range(int(lasted_s / step_s) + 1)
    ]


def _tick_words(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else span_text(seconds)


def _cuts(bins: Bins) -> Sequence[Tick]:
    return [(place, f"{span_text(length)} without work are left out") for place, length in bins.cuts.items()]


def _cut_words(bins: Bins) -> str:
    if not bins.cuts:
        return ""
    return f" {span_text(sum(bins.cuts.values()))} without work are left out, at the dashed lines."


def _moment(bins: Bins, place: int) -> str:
    return f"after {span_text(place * bins.width_s)}"
