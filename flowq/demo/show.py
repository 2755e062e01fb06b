"""Runs the demo: a cluster or the configured fleet, the flow with its progress bar, the report, the figures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

import flowq
from flowq.batch.executor import activate
from flowq.client import CeleryExecutor, connect
from flowq.demo import report
from flowq.demo.flow import audit_flow
from flowq.demo.killer import Killer
from flowq.demo.source import shown_path
from flowq.local import LocalCluster
from flowq.settings import Settings

LEASE_S = 3.0
WORKERS = 2


def run_demo(
    out: Path, *, kill: bool = False, limit: int | None = None, slots: int | None = None, quiet: bool = False
) -> dict[str, Any]:
    """Audit the standard library and write the report to *out*; returns its figures. *quiet*: print to stderr."""
    console = Console(stderr=quiet)
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    with _fleet(console, slots) as (cluster, executor):
        killer = Killer(cluster, executor.latest, console.print) if kill and cluster is not None else None
        report = Report(console, executor, time.perf_counter())
        try:
            shared: dict[str, Any] = {"out": str(out)}
            audit_flow(report, limit).run(shared)
        finally:
            if killer is not None:
                killer.close()
    figures: dict[str, Any] = shared["figures"]
    return figures


@contextmanager
def _fleet(console: Console, slots: int | None) -> Iterator[tuple[LocalCluster | None, Any]]:
    """The configured fleet, or a cluster of the demo's own."""
    if Settings().broker_url is not None:
        executor = connect()
        activate(executor)
        console.print(f"Workers: those on {executor.url}")
        yield None, executor
        return
    with LocalCluster(workers=WORKERS, slots=slots or 1, imports=["flowq.demo.flow"], lease_s=LEASE_S) as cluster:
        console.print(f"An embedded Redis and {WORKERS} workers with {cluster.slots} slot each. Ctrl-C ends all of it.")
        yield cluster, cluster.executor


class Report(flowq.Node[Any, dict[str, Any]]):
    """The last node: a table of the worst files, a page with charts, a line per outcome, and the batch's figures."""

    def __init__(self, console: Console, executor: CeleryExecutor, began: float) -> None:
        super().__init__(name="report")
        self._console, self._executor, self._began = console, executor, began

    def prep(self, shared: Any) -> tuple[Path, Any]:
        return Path(shared["out"]), shared["audit"]

    def exec(self, prep_res: tuple[Path, Any]) -> dict[str, Any]:
        out, result = prep_res
        records = [outcome.output for outcome in result.items if outcome.status == "ok"]
        problems = [_problem(outcome) for outcome in result.items if outcome.status != "ok"]
        figures = self._figures(result)
        report.write_html(out / "report.html", records, problems, figures)
        report.write_jsonl(out / "outcomes.jsonl", map(_line, result.items))
        self._show(out, records, problems, figures)
        return {
            **figures,
            "fingerprint": report.fingerprint(records, problems)[:32],
            "report": str(out / "report.html"),
            "outcomes": str(out / "outcomes.jsonl"),
        }

    def post(self, shared: Any, prep_res: Any, exec_res: dict[str, Any]) -> None:
        shared["figures"] = exec_res

    def _figures(self, result: Any) -> dict[str, Any]:
        handle = self._executor.latest()
        assert handle is not None
        stats, state = result.stats(), handle.state()
        seconds = time.perf_counter() - self._began
        return {
            "items": stats.n,
            "ok": stats.ok,
            "fallback": stats.fallback,
            "failed": stats.failed,
            "items_per_s": round(stats.n / seconds, 1),
            "seconds": round(seconds, 1),
            "slots": self._executor.fleet.slots(self._executor.settings.queue),
            "cpu_s": round(stats.speedup * stats.seconds, 1),
            "losses": state.losses,
        }

    def _show(self, out: Path, records: list[Any], problems: list[dict[str, Any]], figures: dict[str, Any]) -> None:
        show = partial(self._console.print, soft_wrap=True)
        self._console.print(report.worst_table(records))
        show(f"{len(problems)} files could not be parsed")
        for problem in problems:
            show(
                f"  {shown_path(problem['path'])}  [dim]{problem['status']}: {problem['error']}[/dim]", highlight=False
            )
        show("\n" + "  ".join(f"{name.replace('_', ' ')} [bold]{value:,}[/bold]" for name, value in figures.items()))
        show(f"report       {out / 'report.html'}", highlight=False)
        show(f"outcomes     {out / 'outcomes.jsonl'}", highlight=False)
        show(f"fingerprint  {report.fingerprint(records, problems)[:32]}", highlight=False)
        show("             (of all that was found: the same for the same files, whatever was killed)", highlight=False)


def _problem(outcome: flowq.Outcome) -> dict[str, Any]:
    return {
        "path": outcome.input,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "error": _error(outcome),
    }


def _line(outcome: flowq.Outcome) -> dict[str, Any]:
    return {
        "index": outcome.index,
        "path": outcome.input,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "seconds": round(outcome.execution_time, 6),
        "worker": outcome.worker,
        "error": _error(outcome),
        "output": outcome.output,
    }


def _error(outcome: flowq.Outcome) -> str | None:
    return None if outcome.error is None else f"{type(outcome.error).__name__}: {outcome.error}"
