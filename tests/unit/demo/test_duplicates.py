"""Near-duplicates: the pairs found are all the pairs there are, and a strange file does not take for ever."""

from __future__ import annotations

import ast
import random
from itertools import combinations

import pytest

from flowq.demo import duplicates
from flowq.demo.duplicates import LEAST_WORDS, SHINGLE_WORDS, SIMILAR, Duplicates, find_duplicates
from flowq.demo.outline import read_outline
from flowq.demo.tokens import read_tokens


def find(source: str) -> Duplicates:
    return find_duplicates(read_outline(ast.parse(source)).functions, read_tokens(source))


def function(name: str, calls: list[str]) -> str:
    """One line a call: ``x.a(x, 1)`` and a newline are nine words."""
    return f"def {name}(x):\n" + "".join(f"    x.{call}(x, 1)\n" for call in calls) + "\n"


def test_functions_that_differ_in_names_and_constants_are_copies() -> None:
    source = "".join(
        f"def {name}({item}):\n" + f"    {item} = compute({item}, {number}, 'x').more + {number}\n" * 4
        for name, item, number in (("f", "a", 1), ("g", "b", 2))
    )
    [pair] = find(source).pairs
    assert (pair.first.name, pair.second.name, pair.similarity) == ("f", "g", 1.0)


def test_the_similarity_is_shared_shingles_over_all_shingles() -> None:
    calls = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
    [pair] = find(function("one", calls) + function("two", [*calls[:-1], "z"])).pairs
    # Of the shingles of 5 words, 5 hold a call's name, 4 lie between two names and are the same after every call, and 5
    # lie before the first name: 12 * 5 + 4 + 5 = 69. The 5 of the last call differ.
    assert pair.similarity == 64 / 74


def test_different_functions_are_no_pair() -> None:
    assert find(function("one", list("abcdefgh")) + function("two", list("stuvwxyz"))).pairs == []


def test_short_functions_are_not_compared() -> None:
    found = find(function("one", ["a"]) + function("two", ["a"]))
    assert (found.pairs, found.candidates, found.complete) == ([], 0, True)


def test_a_function_is_no_copy_of_the_one_around_it() -> None:
    inner = function("inner", list("abcdefghijkl")).replace("\n", "\n    ").rstrip() + "\n"
    assert find(f"def outer():\n    {inner}").pairs == []


def test_copies_are_paired_with_the_first_of_them() -> None:
    found = find("".join(function(name, list("abcdef")) for name in ("one", "two", "three")))
    assert [(pair.first.name, pair.second.name) for pair in found.pairs] == [("one", "two"), ("one", "three")]


def exhaustive(source: str) -> set[tuple[str, str]]:
    """Every pair, compared the slow way."""
    tokens, sets = read_tokens(source), {}
    for each in read_outline(ast.parse(source)).functions:
        words = [word for word, row in zip(tokens.words, tokens.rows, strict=True) if each.line <= row <= each.end_line]
        if len(words) >= LEAST_WORDS:
            sets[each.name] = {tuple(words[at : at + SHINGLE_WORDS]) for at in range(len(words) - SHINGLE_WORDS + 1)}
    return {
        (one, two)
        for one, two in combinations(sets, 2)
        if len(sets[one] & sets[two]) / len(sets[one] | sets[two]) >= SIMILAR
    }


@pytest.mark.parametrize("seed", range(20))
def test_the_join_finds_what_comparing_everything_finds(seed: int) -> None:
    rng = random.Random(seed)
    pattern = [f"call{number}" for number in range(12)]
    source = ""
    for number in range(30):
        calls = [rng.choice(pattern) if rng.random() < 0.05 else call for call in pattern]
        calls.append(f"own{number}")  # so that no two are equal: copies are paired with the first alone
        source += function(f"f{number}", calls[rng.randrange(3) :])
    found = find(source)
    assert {(pair.first.name, pair.second.name) for pair in found.pairs} == exhaustive(source)
    assert found.complete


def test_thousands_of_similar_functions_end_after_a_bounded_number_of_comparisons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(duplicates, "MOST_COMPARISONS", 500)
    found = find("".join(function(f"f{number}", [*"abcdefghij", f"own{number}"]) for number in range(200)))
    assert len(found.pairs) == 500
    assert not found.complete
