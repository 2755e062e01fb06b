"""A loop under supervision: a batch tries many answers, a supervisor looks at the best and sends the flow back.

python examples/supervisor.py            in this process
python examples/supervisor.py --local    on two worker processes

The flow searches for the growth and the limit of a population from its counts. Each round tries 400 pairs; the
supervisor starts another one with pairs closer to the best, until the improvement is negligible.
"""

from __future__ import annotations

import argparse
import math
from contextlib import nullcontext
from typing import Any

import flowq

COUNTS = [880 / (1 + 87 * math.exp(-0.31 * year)) + 9 * math.sin(year * year) for year in range(30)]

Pair = tuple[float, float]  # growth, limit


class Propose(flowq.Node):
    """A grid of pairs around where the supervisor points."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        (growth, limit), (wide, high) = shared["around"], shared["reach"]
        steps = [step / 9.5 - 1 for step in range(20)]
        shared["pairs"] = [(growth + wide * a, limit + high * b) for a in steps for b in steps]


class Try(flowq.ParallelBatchNode[Pair, float]):
    """How far the curve of one pair is from the counts."""

    def prep(self, shared: Any) -> list[Pair]:
        return list(shared["pairs"])

    def exec(self, pair: Pair) -> float:
        growth, limit = pair
        errors = [limit / (1 + 87 * math.exp(-growth * year)) - count for year, count in enumerate(COUNTS)]
        return math.hypot(*errors) / math.sqrt(len(COUNTS))

    def post(self, shared: Any, pairs: list[Pair], errors: flowq.BatchResult[float]) -> None:
        shared["best"] = min(zip(errors, pairs, strict=True))


class Supervise(flowq.Node):
    """Decides whether the best pair is good enough."""

    def post(self, shared: Any, prep_res: Any, exec_res: None) -> str:
        error, (growth, limit) = shared["best"]
        shared["round"] += 1
        print(f"round {shared['round']}: growth {growth:.4f}, limit {limit:6.1f}, off by {error:.3f}")
        gained, shared["error"] = shared["error"] - error, error
        wide, high = shared["reach"]
        shared.update(around=(growth, limit), reach=(wide / 5, high / 5))
        return "good enough" if gained < 0.001 or shared["round"] == 10 else "look closer"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="run the tries on two worker processes")
    given = parser.parse_args()

    propose = Propose()
    supervise = propose >> Try() >> Supervise()
    supervise - "look closer" >> propose
    supervise - "good enough" >> flowq.Node()
    shared = {"around": (0.5, 500.0), "reach": (0.4, 450.0), "error": math.inf, "round": 0}
    with flowq.LocalCluster(slots=2) if given.local else nullcontext():
        flowq.Flow(start=propose, max_steps=100).run(shared)


if __name__ == "__main__":
    main()
