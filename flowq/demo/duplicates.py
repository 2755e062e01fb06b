"""Near-duplicate functions within one file: Jaccard similarity of their sets of word shingles.

The join is exact, without hashing into bands: two sets that are similar enough must share one of their rarest shingles
(prefix filter: Chaudhuri, Ganti, Kaushik, "A Primitive Operator for Similarity Joins in Data Cleaning", ICDE 2006;
Bayardo, Ma, Srikant, "Scaling Up All Pairs Similarity Search", WWW 2007).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowq.demo.outline import Definition
from flowq.demo.tokens import Tokens

SIMILAR = 0.8
"""Least similarity of reported pairs; 1.0 means equal except for variable names, numbers and strings."""
SHINGLE_WORDS = 5
LEAST_WORDS = 40
"""Shorter functions are not compared: getters and one-line tests are similar without being copies."""
MOST_COMPARISONS = 50_000
"""Limit per file: generated code with thousands of similar functions must not take minutes."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two functions and their similarity, `SIMILAR` to 1."""

    first: Definition
    second: Definition
    similarity: float


@dataclass(slots=True)
class Duplicates:
    """The pairs found, most similar first."""

    pairs: list[Pair]
    candidates: int
    """Number of functions long enough to be compared."""
    complete: bool
    """False if `MOST_COMPARISONS` was reached before all pairs were compared."""


@dataclass(frozen=True, slots=True)
class _Sketch:
    """A function as a set of shingle numbers; `order` lists them, the rarest first."""

    definition: Definition
    shingles: frozenset[int]
    order: Sequence[int]


def find_duplicates(functions: Sequence[Definition], tokens: Tokens) -> Duplicates:
    """Compare every function of a file with all others that could be similar.

    Of a group of exact copies, each is paired with the first one, and only the first is compared with other functions.
    A function is not compared with one inside it.
    """
    sketches = _sketch(functions, tokens)
    pairs: list[Pair] = []
    groups: dict[frozenset[int], _Sketch] = {}
    for sketch in sketches:
        original = groups.setdefault(sketch.shingles, sketch)
        if original is not sketch:
            pairs.append(Pair(original.definition, sketch.definition, 1.0))
    compared = 0
    for one, other in _candidates(sorted(groups.values(), key=lambda sketch: len(sketch.shingles))):
        compared += 1
        if compared > MOST_COMPARISONS:
            break
        shared = len(one.shingles & other.shingles)
        similarity = shared / (len(one.shingles) + len(other.shingles) - shared)
        if similarity >= SIMILAR and not _nested(one.definition, other.definition):
            first, second = sorted((one.definition, other.definition), key=lambda definition: definition.line)
            pairs.append(Pair(first, second, similarity))
    pairs.sort(key=lambda pair: (-pair.similarity, -pair.first.lines, pair.first.line, pair.second.line))
    return Duplicates(pairs, len(sketches), compared <= MOST_COMPARISONS)


def _sketch(functions: Sequence[Definition], tokens: Tokens) -> list[_Sketch]:
    numbers: dict[tuple[int, ...], int] = {}
    found: list[tuple[Definition, frozenset[int]]] = []
    for function in functions:
        words = tokens.words[bisect_left(tokens.rows, function.line) : bisect_right(tokens.rows, function.end_line)]
        if len(words) >= LEAST_WORDS:
            shingles = zip(*(words[start:] for start in range(SHINGLE_WORDS)), strict=False)
            found.append((function, frozenset(numbers.setdefault(shingle, len(numbers)) for shingle in shingles)))
    if len(found) < 2:
        return []
    uses = Counter(shingle for _, shingles in found for shingle in shingles)
    return [
        _Sketch(function, shingles, sorted(shingles, key=lambda shingle: (uses[shingle], shingle)))
        for function, shingles in found
    ]


def _candidates(sketches: Sequence[_Sketch]) -> Iterator[tuple[_Sketch, _Sketch]]:
    """All pairs that may reach `SIMILAR`, once each. `sketches` must be sorted by size, the smallest first."""
    by_shingle: defaultdict[int, list[int]] = defaultdict(list)
    for place, sketch in enumerate(sketches):
        size = len(sketch.shingles)
        least = math.ceil(SIMILAR * size - 1e-9)  # 0.8 × 35 is a little more than 28 in floating point
        seen: set[int] = set()
        for shingle in sketch.order[: size - least + 1]:
            for earlier in by_shingle[shingle]:
                if earlier not in seen and len(sketches[earlier].shingles) >= least:
                    seen.add(earlier)
                    yield sketches[earlier], sketch
            by_shingle[shingle].append(place)


def _nested(one: Definition, other: Definition) -> bool:
    return one.line <= other.end_line and other.line <= one.end_line
