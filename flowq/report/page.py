"""The report as one HTML page: header, tiles and footer. The sections are sections.py, the styles flowq/html."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

from flowq.client.wording import rate_text, span_text
from flowq.html.frame import framed
from flowq.html.markup import badge, code, tile, tiles
from flowq.report import sections
from flowq.report.course import Course
from flowq.report.spread import span


def render(course: Course) -> str:
    """The page, self-contained and of bounded size, whatever the size of the batch."""
    parts = [
        _head(course),
        _figures(course),
        sections.over_time(course),
        sections.by_worker(course),
        sections.item_times(course),
        sections.slowest(course),
        sections.failed(course),
        _foot(),
    ]
    return framed(f"{course.label} · {course.id}", [part for part in parts if part])


def _head(course: Course) -> str:
    begun = datetime.fromtimestamp(course.state.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    failed = ' <a href="#failed">Why items failed.</a>' if course.failures else ""
    return (
        f"<header><h1>{escape(course.label)}</h1>"
        f"<p>{badge(course.state.state)} Batch {code(course.id)} of node {escape(course.node)}, begun {begun}, "
        f"took {span_text(course.state.seconds)}.{failed}</p></header>"
    )


def _figures(course: Course) -> str:
    state, spread = course.state, course.spread
    total = state.avail
    lasted_s = max(1e-9, state.seconds)
    shown = [
        ("items", f"{total:,}", ""),
        ("ok", f"{state.ok:,}", ""),
        ("fallback", f"{state.fallback:,}", ""),
        ("failed", f"{state.failed:,}", "alarm"),
        ("without outcome", f"{total - state.done:,}", "alarm"),
        ("per second", rate_text(state.done / lasted_s).removesuffix("/s") or "0", ""),
        ("median item", span(spread.quantile(0.5)), ""),
        ("95 % within", span(spread.quantile(0.95)), ""),
        ("at once", f"{spread.sum_s / lasted_s:.1f}", ""),
        ("retried", f"{state.retried:,}", ""),
        ("crashes", f"{state.crashes:,}", "alarm"),
        ("workers lost", f"{state.losses:,}", "alarm"),
    ]
    always = {"items", "ok", "failed", "per second", "median item", "95 % within", "at once"}
    return tiles(
        tile(value, escape(name), css="" if value == "0" else css)
        for name, value, css in shown
        if name in always or value != "0"
    )


def _foot() -> str:
    return (
        "<footer><p>Times are the workers' own clocks. Quantiles are right to 6&nbsp;%. “At once” is the time spent in "
        f"items by the time the batch took. Made by {code('flowq report')}.</p></footer>"
    )
