"""Cyclomatic complexity (McCabe, "A Complexity Measure", IEEE TSE 2(4), 1976): decision points and ranks.

The complexity of a body is its number of decision points plus one. Decision points are those of radon 6 ("Introduction
to Code Metrics"), with one addition: ``except*`` counts like ``except``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

RANKS = "ABCDEF"
"""Radon's ranks: A to E for a complexity up to 5, 10, 20, 30 and 40, F above."""
_RANK_ENDS = (5, 10, 20, 30, 40)


def _cases(node: ast.Match) -> int:
    # An irrefutable pattern (`case _:` or `case name:`) is like an `else`: not a decision point.
    catch_all = any(isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None for case in node.cases)
    return len(node.cases) - catch_all


def _loop(node: ast.For | ast.AsyncFor | ast.While) -> int:
    return 1 + bool(node.orelse)


def _handlers(node: ast.Try | ast.TryStar) -> int:
    return len(node.handlers) + bool(node.orelse)


DECISIONS: dict[type[ast.AST], Callable[[Any], int]] = {
    ast.If: lambda node: 1,
    ast.IfExp: lambda node: 1,
    ast.Assert: lambda node: 1,
    ast.BoolOp: lambda node: len(node.values) - 1,
    ast.comprehension: lambda node: 1 + len(node.ifs),
    ast.For: _loop,
    ast.AsyncFor: _loop,
    ast.While: _loop,
    ast.Try: _handlers,
    ast.TryStar: _handlers,
    ast.Match: _cases,
}
"""The number of decision points of one syntax tree node, by its type; types not listed have none."""


def rank(complexity: int) -> str:
    """The rank of one function's complexity, A (simple) to F."""
    return RANKS[sum(complexity > end for end in _RANK_ENDS)]


def count_ranks(complexities: Sequence[int]) -> dict[str, int]:
    """The number of functions by rank; all six ranks, in order."""
    letters = [rank(complexity) for complexity in complexities]
    return {letter: letters.count(letter) for letter in RANKS}
