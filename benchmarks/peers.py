"""``python -m benchmarks.peers``: flowq beside each peer at each workload, kept as JSON lines, shown as one table.

What is in the file already is not measured again, so a long run can be done in pieces. See --help.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path

from benchmarks import page, terminal, wording
from benchmarks.comparison import append, forget, read
from benchmarks.interleave import FAILED, compare
from benchmarks.stage import Stage
from benchmarks.systems import EXTRA, SYSTEMS, WITHOUT_EXTRA, kind
from benchmarks.systems.system import CannotRun, System
from benchmarks.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "out" / "benchmarks"
FILE = FOLDER / "peers.jsonl"
ROUNDS = 5
# Of one run; the longest that go well take a quarter of it.
LIMIT_S = 60.0
# Whose systems are up at the same time. Also so that a set, which is lost when it is interrupted, takes minutes.
PARTS = (WITHOUT_EXTRA, EXTRA)

# A workload, and who is measured beside flowq in turn with all the others: the peer and the way it is used.
Set = tuple[Workload, list[tuple[str, str]]]


def sets(peers: Sequence[str], keys: Sequence[str]) -> Iterator[Set]:
    """What is to be measured, the systems of one part after those of the other, so that each is started once.

    Args:
        peers: by their names in `benchmarks.systems`; empty: all.
        keys: of workloads, or how they begin (``W3``); empty: all.
    """
    for part, workload in product(PARTS, WORKLOADS):
        if not keys or workload.key.startswith(tuple(keys)):
            chosen = [peer for peer in part if peer in workload.peers and (not peers or peer in peers)]
            rivals = [pair for pair in product(chosen, workload.ways) if pair[1] != "chunks" or chunks_by_hand(pair[0])]
            if rivals:
                yield workload, rivals


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
    """Measure what is not in the file, each set appended as it is done. What failed is tried again."""
    done = {one.key[:3] for one in read(file) if not (one.why or "").startswith(FAILED)}
    with Stage() as stage:
        for workload, rivals in wanted:
            left = [(peer, way) for peer, way in rivals if (workload.key, peer, way) not in done and installed(peer)]
            if left:
                part = next(part for part in PARTS if left[0][0] in part)
                stage.keep({*part, "flowq", *(workload.ideal or ())})
                print(f"{workload.key}: flowq and {', '.join(map(' '.join, left))}", file=sys.stderr)
                began = time.monotonic()
                for one in compare(stage, workload, left, rounds, limit_s):
                    append(file, one)
                    print(f"{time.monotonic() - began:6.1f} s  {wording.line(one)}", flush=True)


def arguments(words: Sequence[str], program: str, peers: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        program, description="flowq beside its peers, interleaved; what is in the file already is left out"
    )
    parser.add_argument("--only", nargs="+", metavar="PEER", default=peers, choices=SYSTEMS, help=", ".join(SYSTEMS))
    keys = ", ".join(one.key for one in WORKLOADS)
    parser.add_argument("--workload", nargs="+", metavar="W", default=[], help=f"how their keys begin: {keys}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds of a set; {ROUNDS}")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help=f"longest time for a run; {LIMIT_S:g} s")
    parser.add_argument("--file", type=Path, default=FILE, help="out/benchmarks/peers.jsonl")
    parser.add_argument("--fresh", action="store_true", help="forget what the file holds of these sets")
    parser.add_argument("--show", action="store_true", help="print the table at the end")
    parser.add_argument("--list", action="store_true", help="say what is to be measured, and measure nothing")
    parser.add_argument("--table", action="store_true", help="write table and chart into docs/; measure nothing")
    return parser.parse_args(words)


def main(words: Sequence[str], program: str = "python -m benchmarks.peers", peers: Sequence[str] = ()) -> None:
    """Do what the command line says; *peers*: who is measured when it names none, all if that is empty."""
    given = arguments(words, program, peers)
    wanted = list(sets(given.only, given.workload))
    if given.list:
        for workload, rivals in wanted:
            print(f"{workload.key:14} {', '.join(map(' '.join, rivals))}")
    elif given.table:
        files = sorted(FOLDER.glob("*.jsonl")) if given.file == FILE else [given.file]
        found = read(*files)
        if not found:  # a page without a line would stand in the place of the results of before
            sys.exit(
                f"nothing was measured yet, in {FOLDER if given.file == FILE else given.file}: run this without --table"
            )
        page.write(found)
    else:
        if given.fresh:
            forget(given.file, {(workload.key, peer, way) for workload, rivals in wanted for peer, way in rivals})
        measure(wanted, given.file, given.rounds, given.limit_s)
        if given.show:
            terminal.show(read(given.file))


if __name__ == "__main__":
    main(sys.argv[1:])
