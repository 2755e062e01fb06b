"""Cyclomatic complexity (McCabe, "A Complexity Measure", IEEE TSE 2(4), 1976): what decides, and the summary of a file.

A body's number is one more than its decision points. What counts as one is radon's list (radon 6, "Introduction to Code
Metrics"), with one addition: ``except*`` counts as ``except`` does.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

RANKS = "ABCDEF"
"""Radon's letters; a function of complexity up to 5, 10, 20, 30 and 40 is A to E, and F past that."""
_RANK_ENDS = (5, 10, 20, 30, 40)


def _cases(node: ast.Match) -> int:
    # A pattern that takes everything (`case _:` or `case name:`) is the `else` of the statement: no decision.
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
"""How many decision points one node of the syntax tree is, by its type. What is not listed is none."""


def rank(complexity: int) -> str:
    """The letter of one function's complexity, A (simple) to F."""
    return RANKS[sum(complexity > end for end in _RANK_ENDS)]


def count_ranks(complexities: Sequence[int]) -> dict[str, int]:
    """How many functions have which letter; all six letters, in order."""
    letters = [rank(complexity) for complexity in complexities]
    return {letter: letters.count(letter) for letter in RANKS}
