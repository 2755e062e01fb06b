"""``python -m benchmarks.peers``: flowq beside each peer at each workload, kept as JSON lines, shown as one table.

A set that is in the file already is not measured again, so a long run can be done in pieces. See --help.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from benchmarks import page, terminal, wording
from benchmarks.comparison import append, read
from benchmarks.interleave import FAILED, compare
from benchmarks.stage import Stage
from benchmarks.systems import SYSTEMS, kind
from benchmarks.systems.system import CannotRun, System
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "out" / "benchmarks"
ROUNDS = 5
# Of one set; a single one should fit into five minutes.
LIMIT_S = 270.0

Set = tuple[Workload, str, str]


def sets(peers: Sequence[str], keys: Sequence[str]) -> Iterator[Set]:
    """What is to be measured, peer by peer, so that each is started as rarely as can be.

    Args:
        peers: by their names in `benchmarks.systems`; empty: all.
        keys: of workloads, or how they begin (``W3``); empty: all.
    """
    for peer in peers or SYSTEMS:
        for workload in WORKLOADS:
            if peer in workload.peers and (not keys or workload.key.startswith(tuple(keys))):
                for way in workload.ways:
                    if way != "chunks" or chunks_by_hand(peer):
                        yield workload, peer, way


def chunks_by_hand(peer: str) -> bool:
    """Whether it has them; what is not installed is taken to."""
    return not installed(peer) or kind(peer).chunks is not System.chunks


@cache
def installed(peer: str) -> bool:
    """Whether its package is; says so, once, where it is not."""
    try:
        kind(peer)
    except CannotRun as exc:
        print(f"{peer} is left out: {exc}", file=sys.stderr)
        return False
    return True


def measure(wanted: Sequence[Set], file: Path, rounds: int, limit_s: float) -> None:
    """Measure those that are not in the file, each appended as it is done. What failed is tried again."""
    done = {one.key[:3] for one in read(file) if not (one.why or "").startswith(FAILED)}
    with Stage() as stage:
        before = None
        for workload, peer, way in wanted:
            if (workload.key, peer, way) in done or not installed(peer):
                continue
            if before not in (None, "flowq", peer):
                stage.end(before)
            before, began = peer, time.monotonic()
            for one in compare(stage, workload, peer, way, rounds, limit_s):
                append(file, one)
                print(f"{time.monotonic() - began:6.1f} s  {wording.line(one)}", flush=True)


def arguments(words: Sequence[str], program: str, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(program, description=description)
    parser.add_argument("--only", nargs="+", metavar="PEER", default=[], choices=SYSTEMS, help=", ".join(SYSTEMS))
    keys = ", ".join(one.key for one in WORKLOADS)
    parser.add_argument("--workload", nargs="+", metavar="W", default=[], help=f"how their keys begin: {keys}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds of a set; {ROUNDS}")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help=f"longest time for a set; {LIMIT_S:g} s")
    parser.add_argument("--file", type=Path, default=FOLDER / "peers.jsonl", help="out/benchmarks/peers.jsonl")
    parser.add_argument("--fresh", action="store_true", help="forget what the file holds")
    parser.add_argument("--show", action="store_true", help="print the table at the end")
    parser.add_argument("--list", action="store_true", help="say which sets there are, and measure nothing")
    parser.add_argument("--table", action="store_true", help="write table and chart into docs/; measure nothing")
    return parser.parse_args(words)


def main(words: Sequence[str], program: str = "python -m benchmarks.peers") -> None:
    given = arguments(words, program, "flowq beside its peers, interleaved; sets that are in the file are left out")
    wanted = list(sets(given.only, given.workload))
    if given.list:
        for workload, peer, way in wanted:
            print(f"{workload.key:14} {peer:12} {way}")
    elif given.table:
        files = sorted(FOLDER.glob("*.jsonl")) if given.file == FOLDER / "peers.jsonl" else [given.file]
        page.write(read(*files))
    else:
        if given.fresh:
            given.file.unlink(missing_ok=True)
        measure(wanted, given.file, given.rounds, given.limit_s)
        if given.show:
            terminal.show(read(given.file))


if __name__ == "__main__":
    main(sys.argv[1:])
