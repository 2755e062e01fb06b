"""Complexity, definitions and Halstead's counts of small sources, each value counted by hand."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from flowq.demo.complexity import count_ranks, rank
from flowq.demo.maintainability import maintainability_index, maintainability_rank
from flowq.demo.outline import Outline, read_outline


def outline(source: str) -> Outline:
    return read_outline(ast.parse(dedent(source)))


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass", 2),
        ("if a: pass\n    elif b: pass\n    else: pass", 3),
        ("return a if b else c", 2),
        ("return a and b and c or d", 4),
        ("for x in a: pass", 2),
        ("for x in a: pass\n    else: pass", 3),
        ("while a: pass\n    else: pass", 3),
        ("return [x for x in a if x if not x]", 4),
        ("return {x: y for x in a for y in b}", 3),
        ("try: pass\n    except A: pass\n    except B: pass\n    else: pass\n    finally: pass", 4),
        ("try: pass\n    except* A: pass", 2),
        ("with a: pass", 1),
        ("assert a", 2),
        ("assert a and b, c or d", 2),
        ("return lambda x: x if x else a", 2),
        ("match a:\n        case 1: pass\n        case 2: pass\n        case _: pass", 3),
        ("match a:\n        case 1: pass\n        case [2, x]: pass", 3),
    ],
)
def test_each_decision_point_adds_one(body: str, complexity: int) -> None:
    [function] = outline(f"def f(a, b, c, d):\n    {body}\n").functions
    assert function.complexity == complexity


def test_an_async_function_counts_as_any_other() -> None:
    [function] = outline("async def f(a):\n    async for x in a:\n        if x: pass\n").functions
    assert function.complexity == 3


def test_functions_and_classes_go_by_dotted_names_in_the_order_of_their_lines() -> None:
    found = outline(
        """
        class A:
            def f(self):
                def g(): pass
            class B:
                async def h(self): pass
        if A:
            def k(): pass
        """
    )
    assert [(each.name, each.line) for each in found.functions] == [("A.f", 3), ("A.f.g", 4), ("A.B.h", 6), ("k", 8)]
    assert [(each.name, each.line, each.lines) for each in found.classes] == [("A", 2, 5), ("A.B", 5, 2)]


def test_a_closures_decisions_are_its_own() -> None:
    outer, inner = outline("def f(a):\n    if a: pass\n    def g(b):\n        if a and b: pass\n").functions
    assert (outer.complexity, inner.complexity) == (2, 3)


def test_only_public_names_outside_functions_need_a_docstring() -> None:
    found = outline(
        '''
        def documented():
            """Yes."""
        def bare():
            def inner(): pass
        def _private(): pass
        class _Hidden:
            def method(self): pass
        class Shown:
            """Yes."""
            def __init__(self): pass
            @property
            def size(self): pass
            @size.setter
            def size(self, value): pass
            @overload
            def get(self): pass
        '''
    )
    assert [each.name for each in (*found.functions, *found.classes) if each.needs_docstring] == ["bare", "Shown.size"]
    assert found.public == 4


def test_operators_and_operands_are_counted_as_halstead_does() -> None:
    vocabulary = outline("c = a + b * 2\nd = a + c if not a == 2 else -b\n").vocabulary
    # + * + not == -, and their operands: a, (b*2), b, 2, a, c, (a==2), a, 2, b
    assert (vocabulary.operators, len(vocabulary.distinct_operators)) == (6, 5)
    assert (vocabulary.operands, vocabulary.distinct_operands) == (10, 6)  # a b c 2, and two expressions
    assert vocabulary.difficulty() == 5 / 2 * 10 / 6
    assert vocabulary.volume() == pytest.approx(16 * 3.459432)  # log2(11)


def test_a_name_is_another_operand_in_another_function() -> None:
    vocabulary = outline("def f(a): return a + 1\ndef g(a): return a + 1\n").vocabulary
    assert (vocabulary.operands, vocabulary.distinct_operands) == (4, 4)


def test_the_index_falls_with_length_and_rises_with_comments() -> None:
    small = maintainability_index(volume=100, complexity=5, logical_lines=20, comment_percent=0)
    # (171 - 5.2 ln 100 - 0.23 * 5 - 16.2 ln 20) * 100 / 171
    assert small == pytest.approx(56.942, abs=0.001)
    assert maintainability_index(100, 5, 40, 0) < small < maintainability_index(100, 5, 20, 10)
    assert maintainability_index(0, 1, 3, 0) == 100.0
    assert maintainability_index(50_000, 900, 6_000, 0) == 0.0


def test_ranks_change_where_radon_changes_them() -> None:
    edges = (1, 5, 6, 10, 11, 20, 21, 30, 31, 40, 41)
    assert "".join(rank(complexity) for complexity in edges) == "AABBCCDDEEF"
    assert count_ranks([1, 2, 7, 50]) == {"A": 2, "B": 1, "C": 0, "D": 0, "E": 0, "F": 1}
    assert "".join(maintainability_rank(index) for index in (100, 19.1, 19, 9.1, 9, 0)) == "AABBCC"
