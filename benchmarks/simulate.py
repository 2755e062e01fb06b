"""``python -m benchmarks.simulate [TABLE…]``: simulated workers on one real Redis, row by row, beside the model.

Goes on where it was interrupted: what ``out/benchmarks/simulated.jsonl`` holds is not measured again. ``--table``
writes it into docs/scaling.md, between its marks. How a row is simulated: simulation.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import click

from benchmarks import cable
from benchmarks.fleet import Load, Prices
from benchmarks.page import ROOT, between, markdown
from benchmarks.peers import FOLDER
from benchmarks.player import Played
from benchmarks.simulation import Case, Rate, simulate

FILE = FOLDER / "simulated.jsonl"
PAGE = ROOT / "docs" / "scaling.md"
ROW_S = 120
KIB = 1024
TABLES: dict[str, tuple[Case, ...]] = {
    # More and more chunks a second, larger ones, several in a message.
    "rates": (
        Case(1000, 2.0, 500), Case(1000, 1.0, 500), Case(1000, 0.5, 500), Case(1000, 0.25, 500), Case(1200, 0.25, 500),
        Case(1400, 0.25, 500), Case(200, 0.05, 50),
    ),
    # Below what a part of a core can do, at it, and above.
    "full": (
        *(Case(1000, item_s, 500, share=0.5) for item_s in (1.0, 0.5, 0.4, 0.3, 0.25)),
        Case(1400, 0.25, 500, share=0.5), Case(1000, 0.5, 500, share=0.25), Case(1400, 0.25, 500, share=0.75),
    ),
    "payload": (
        Case(1000, 1.0, KIB, is_fed=True),
        *(Case(1000, item_s, 16 * KIB, is_fed=True) for item_s in (2.0, 1.0)),
        *(Case(1000, item_s, 100 * KIB, is_fed=True) for item_s in (8.0, 4.0)),
    ),
    "network": (
        *(Case(1000, 0.5, 500, is_tcp=True, network_s=ms / 1000) for ms in (0, 0.5, 1, 10)),
        Case(200, 0.05, 50, is_tcp=True, network_s=0.01),
    ),
}  # fmt: skip


def predicted(case: Case, rate: Rate, prices: Prices) -> Load:
    """What the model says; a simulated slot has nothing to do between two chunks but to wait for Redis.

    Of a fleet that is fed, at the rate that came: how fast its one producer is is no part of the model.
    """
    fleet = replace(case.model, item_s=case.slots / rate.chunks) if case.is_fed else case.model
    return fleet.load(replace(prices, gap_s=0.0)).held_to(case.share)


def kept(file: Path = FILE) -> dict[Case, Rate]:
    """What was simulated so far."""
    if not file.exists():
        return {}
    found = {}
    for line in file.read_text().splitlines():
        told = json.loads(line)
        found[Case(**told["case"])] = Rate(**{**told["rate"], "played": Played(**told["rate"]["played"])})
    return found


def keep(case: Case, rate: Rate, file: Path = FILE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps({"case": asdict(case), "rate": asdict(rate)}) + "\n")


def run(case: Case) -> None:
    """One row, in a process of its own: in a network namespace of its own where it goes over TCP."""
    command = [*(cable.ALONE if case.is_tcp else ()), sys.executable, "-m", "benchmarks.simulate"]
    subprocess.run([*command, "--one", json.dumps(asdict(case))], cwd=ROOT, check=True, timeout=ROW_S)


# -- the tables --------------------------------------------------------------------------------------------------------

Row = dict[str, str]


def row(name: str, case: Case, rate: Rate, load: Load) -> Row:
    """The cells of a row, by their heads."""
    first: Row = {"slots": f"{case.slots:,}", "items of": f"{case.item_s:g} s"}
    chunks: Row = {"chunks/s": f"{rate.chunks:,.0f}", "predicted ": f"{load.chunks:,.0f}"}
    trips: Row = {"trips/s": f"{rate.trips:,.0f}", "predicted  ": f"{load.trips:,.0f}"}
    moved: Row = {
        "MB/s in": f"{rate.in_bytes / 1e6:.1f}", "predicted   ": f"{load.in_bytes / 1e6:.1f}",
        "MB/s out": f"{rate.out_bytes / 1e6:.1f}", "predicted    ": f"{load.out_bytes / 1e6:.1f}",
    }  # fmt: skip
    core: Row = {"Redis' core": _percent(rate.redis_cpu), "predicted     ": _percent(load.cpu)}
    player: Row = {"the player's core": _percent(rate.player_cpu)}
    claim: Row = {"a claim": _ms(rate.played.claim_ms), "slowest 1 %": _ms(rate.played.claim_p99_ms)}
    exact: Row = {"items": f"{rate.items:,}", "not exact": f"{rate.wrong + rate.left:,}"}
    if name == "full":
        has = {"Redis has": _percent(case.share), **first, "asked for": f"{case.slots / case.item_s:,.0f}"}
        waits = {"waits for it": _percent(rate.waited)}
        return {**has, **chunks, **core, **waits, **player, **claim, **exact}
    if name == "payload":
        asked = {"asked for": f"{case.slots / case.item_s:,.0f}", "chunks/s": f"{rate.chunks:,.0f}"}
        size = {"of": f"{case.payload_bytes // KIB} KiB"}
        return {**first, **size, **asked, **moved, **core, **player, **claim, **exact}
    if name == "network":
        network: Row = {"round trip": f"+ {case.network_s * 1000:g} ms" if case.network_s else "the cable's"}
        return {**network, **first, **chunks, **trips, **core, **player, **claim, **exact}
    return {**first, "bytes": f"{case.payload_bytes:,}", **chunks, **trips, **moved, **core, **player, **claim, **exact}


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def _ms(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:,.0f} ms"


def table(name: str, found: dict[Case, Rate], prices: Prices) -> str:
    """The rows of one table that are there."""
    rows = [
        row(name, case, found[case], predicted(case, found[case], prices)) for case in TABLES[name] if case in found
    ]
    return markdown([head.strip() for head in rows[0]], [list(one.values()) for one in rows]) if rows else ""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(TABLES)))
@click.option("--limit-s", type=float, default=3600.0, show_default=True, help="Begin no row after so long.")
@click.option("--again", is_flag=True, help="Measure these tables' rows anew.")
@click.option("--table", "writes", is_flag=True, help="Measure nothing; write what was into docs/scaling.md.")
@click.option("--one", hidden=True)
def main(names: tuple[str, ...], limit_s: float, again: bool, writes: bool, one: str | None) -> None:
    """Simulated workers on one real Redis, beside the model."""
    if one is not None:
        case = Case(**json.loads(one))
        keep(case, simulate(case))
        return
    names = names or tuple(TABLES)
    began_s, done = time.monotonic(), {} if again else kept()
    for case in (case for name in names for case in TABLES[name] if case not in done and not writes):
        if time.monotonic() - began_s > limit_s:
            raise SystemExit("not all rows yet: run it again")
        run(case)
    found = kept()
    for name in names:
        click.echo(f"{name}\n{table(name, found, Prices())}\n")
    if writes:
        text = PAGE.read_text(encoding="utf-8")
        for name in names:
            if rows := table(name, found, Prices()):
                text = between(text, f"simulated {name}", rows)
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
