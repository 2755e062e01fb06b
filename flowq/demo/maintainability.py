"""Halstead's counts and the maintainability index of a file. Pure arithmetic; the tree is walked by outline.py.

Halstead: "Elements of Software Science", Elsevier 1977. The index: Coleman, Ash, Lowther, Oman, "Using Metrics to
Evaluate Software System Maintainability", IEEE Computer 27(8), 1994, in the variant of radon 6
(``radon.metrics.mi_compute``, https://radon.readthedocs.io/en/latest/intro.html#maintainability-index), which scales it
to 0..100. Operators are those of arithmetic, comparison, boolean logic and augmented assignment; operands are their
arguments, counted as distinct per function. The figures equal radon's; complexity.py names the exception.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Spoken = tuple[Sequence[ast.AST], Sequence[ast.AST]]

OPERATIONS: dict[type[ast.AST], Callable[[Any], Spoken]] = {
    ast.BinOp: lambda node: ((node.op,), (node.left, node.right)),
    ast.UnaryOp: lambda node: ((node.op,), (node.operand,)),
    ast.BoolOp: lambda node: ((node.op,), node.values),
    ast.AugAssign: lambda node: ((node.op,), (node.target, node.value)),
    ast.Compare: lambda node: (node.ops, (node.left, *node.comparators)),
}
"""The operators and operands of one syntax tree node, by its type; types not listed have none."""


@dataclass(slots=True)
class Vocabulary:
    """Counts the operators and operands of one file."""

    operators: int = 0
    operands: int = 0
    distinct_operators: set[type[ast.AST]] = field(default_factory=set)
    _named_operands: set[tuple[str, object]] = field(default_factory=set)
    _unnamed_operands: int = 0

    def add(self, operators: Iterable[ast.AST], operands: Iterable[ast.AST], context: str) -> None:
        """Count one operation inside the function called `context` (empty at module level)."""
        for operator in operators:
            self.operators += 1
            self.distinct_operators.add(type(operator))
        for operand in operands:
            self.operands += 1
            match operand:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    self._named_operands.add((context, name))
                case ast.Constant(value=value):
                    self._named_operands.add((context, value))
                case _:
                    self._unnamed_operands += 1

    @property
    def distinct_operands(self) -> int:
        """Number of distinct operands: names and constants once per function, every other expression separately."""
        return len(self._named_operands) + self._unnamed_operands

    def volume(self) -> float:
        """Halstead's volume: length times log2 of the vocabulary size."""
        vocabulary = len(self.distinct_operators) + self.distinct_operands
        return (self.operators + self.operands) * math.log2(vocabulary) if vocabulary else 0.0

    def difficulty(self) -> float:
        """Halstead's difficulty: half the distinct operators times the average uses of an operand."""
        distinct = self.distinct_operands
        return len(self.distinct_operators) * self.operands / (2 * distinct) if distinct else 0.0


def maintainability_index(volume: float, complexity: int, logical_lines: int, comment_percent: float) -> float:
    """The index, 0 (worst) to 100.

    Args:
        volume: Halstead's volume of the file.
        complexity: decision points of the file plus one (`Outline.complexity`).
        logical_lines: statements (`Lines.logical`).
        comment_percent: comments and multi-line docstrings, in percent of the lines of code; may exceed 100.
    """
    if volume <= 0 or logical_lines <= 0:
        return 100.0
    raw = 171 - 5.2 * math.log(volume) - 0.23 * complexity - 16.2 * math.log(logical_lines)
    raw += 50 * math.sin(math.sqrt(2.46 * math.radians(comment_percent)))
    return min(max(0.0, raw * 100 / 171), 100.0)


def maintainability_rank(index: float) -> str:
    """Radon's letter of an index: A past 19, B past 9, else C."""
    return "A" if index > 19 else "B" if index > 9 else "C"
