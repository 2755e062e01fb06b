"""``flowq report``: writes one batch as a self-contained HTML page with charts."""

from __future__ import annotations

from pathlib import Path

import click

from flowq.cli.group import Mistake, emit, imports_option, json_option
from flowq.cli.place import place
from flowq.report import Course, read_course, render


@click.command()
@click.argument("batch", required=False)
@click.option(
    "-o", "out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help="Default: BATCH.html."
)
@imports_option("classes of items or results")
@json_option
def report(batch: str | None, out: Path | None, imports: tuple[str, ...], as_json: bool) -> None:
    """Write a page about one batch: rates, workers, times, errors.

    BATCH is an id or the beginning of one; the newest batch if left out. The page is one file that any browser shows
    without a network. With --json its figures are printed and no page is written.
    """
    with place() as here:
        handle = here.batch(batch)
        here.know(imports)
        course = read_course(handle)
    if as_json:
        emit(json_of(course))
        return
    out = out or Path(f"{course.id}.html")
    try:
        out.write_text(render(course), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise Mistake(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"Wrote {out}")


def json_of(course: Course) -> dict[str, object]:
    """The figures of the page."""
    state, spread, bins = course.state, course.spread, course.bins
    return {
        "id": course.id,
        "label": course.label,
        "state": state.state,
        "items": state.avail,
        "ok": state.ok,
        "fallback": state.fallback,
        "failed": state.failed,
        "seconds": round(state.seconds, 3),
        "item_seconds": {"p50": spread.quantile(0.5), "p95": spread.quantile(0.95), "max": spread.max_s},
        "bin_seconds": bins.width_s,
        "done": {status: [round(count, 2) for count in row] for status, row in bins.done.items()},
        "workers": {worker: [round(share, 3) for share in row] for worker, row in bins.busy.items()},
        "slowest": [{"index": one.index, "seconds": one.seconds, "worker": one.worker} for one in course.slowest],
        "errors": dict(course.kinds),
    }
