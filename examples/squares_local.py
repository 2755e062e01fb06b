"""A flow of three nodes, the middle one with many items. The shortest complete program.

python examples/squares_local.py            in this process
python examples/squares_local.py --local    on two worker processes
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

import flowq


class Numbers(flowq.Node[int, list[int]]):
    """The items: as many numbers as the store says."""

    def prep(self, shared: Any) -> int:
        return int(shared["count"])

    def exec(self, count: int) -> list[int]:
        return list(range(count))

    def post(self, shared: Any, prep_res: int, exec_res: list[int]) -> None:
        shared["numbers"] = exec_res


class Square(flowq.ParallelBatchNode[int, int]):
    """One number an item."""

    def prep(self, shared: Any) -> list[int]:
        return list(shared["numbers"])

    def exec(self, number: int) -> int:
        return number * number

    def post(self, shared: Any, prep_res: list[int], exec_res: flowq.BatchResult[int]) -> None:
        shared["squares"] = list(exec_res)


class Report(flowq.Node[list[int], None]):
    """What came of it."""

    def prep(self, shared: Any) -> list[int]:
        return list(shared["squares"])

    def exec(self, squares: list[int]) -> None:
        print(f"{len(squares):,} squares, from {squares[0]} to {squares[-1]:,}, in all {sum(squares):,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="run the items on two worker processes")
    parser.add_argument("--count", type=int, default=10_000, help="how many numbers (default: 10000)")
    given = parser.parse_args()

    numbers = Numbers()
    numbers >> Square() >> Report()
    with flowq.LocalCluster(slots=2) if given.local else nullcontext():
        flowq.Flow(start=numbers).run({"count": given.count})


if __name__ == "__main__":
    main()
