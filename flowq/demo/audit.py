"""The demo's item: audits one Python file and returns its figures as plain data."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from flowq.demo.complexity import count_ranks
from flowq.demo.duplicates import Duplicates, find_duplicates
from flowq.demo.maintainability import maintainability_index, maintainability_rank
from flowq.demo.outline import Definition, Outline, read_outline
from flowq.demo.source import Source, read_source, stdlib_files
from flowq.demo.tokens import Lines, Tokens, read_tokens

__all__ = ["analyse", "stdlib_files"]

_LISTED = 5
"""The number of near-duplicate pairs and missing docstrings that a record lists; all are counted."""


def analyse(path: str) -> dict[str, Any]:
    """Audit one file.

    Returns:
        Plain data (str, int, float, list, dict), equal for equal input in every process::

            path, size_bytes, tokens, statements, classes, functions
            lines             code, comment, docstring, blank, logical (statements as radon counts them)
            complexity        mean, max, ranks {A..F: functions}, worst [{name, line, complexity, lines}] (three)
            longest           {name, line, lines} of the longest function; name "" without one
            docstrings        public (should have one), missing, first [{name, line}]
            duplicates        compared, pairs, complete (0: too many to compare all),
                              first [{name, line, other, other_line, lines, similarity}]
            maintainability   index (0..100), rank (A..C), volume, difficulty (Halstead)

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: its bytes are not in the encoding it claims.
        SyntaxError: it is not valid in this version of Python.
    """
    source = read_source(path)
    tokens = read_tokens(source.text)
    outline = read_outline(source.tree)
    return {
        "path": path,
        "size_bytes": source.size_bytes,
        "tokens": tokens.count,
        "statements": outline.statements,
        "classes": len(outline.classes),
        "functions": len(outline.functions),
        "lines": _lines(tokens.lines),
        "complexity": _complexity(outline.functions),
        "longest": _longest(outline.functions),
        "docstrings": _docstrings(source, outline),
        "duplicates": _duplicates(find_duplicates(outline.functions, tokens)),
        "maintainability": _maintainability(outline, tokens),
    }


def _lines(lines: Lines) -> dict[str, int]:
    return {
        "code": lines.code,
        "comment": lines.comment,
        "docstring": lines.docstring,
        "blank": lines.blank,
        "logical": lines.logical,
    }


def _complexity(functions: list[Definition]) -> dict[str, Any]:
    values = [function.complexity for function in functions]
    worst = sorted(functions, key=lambda function: (-function.complexity, function.line))[:3]
    return {
        "mean": round(sum(values) / len(values), 2) if values else 0.0,
        "max": max(values, default=0),
        "ranks": count_ranks(values),
        "worst": [
            {"name": each.name, "line": each.line, "complexity": each.complexity, "lines": each.lines} for each in worst
        ],
    }


def _longest(functions: list[Definition]) -> dict[str, Any]:
    longest = max(functions, key=lambda function: (function.lines, -function.line), default=None)
    if longest is None:
        return {"name": "", "line": 0, "lines": 0}
    return {"name": longest.name, "line": longest.line, "lines": longest.lines}


def _docstrings(source: Source, outline: Outline) -> dict[str, Any]:
    missing = [each for each in (*outline.functions, *outline.classes) if each.needs_docstring]
    first = [{"name": each.name, "line": each.line} for each in sorted(missing, key=lambda each: each.line)]
    stem = PurePath(source.path).stem
    public = not stem.startswith("_") or stem.startswith("__")
    if public and not outline.documented:
        first.insert(0, {"name": "<module>", "line": 1})
    return {"public": outline.public + public, "missing": len(first), "first": first[:_LISTED]}


def _duplicates(found: Duplicates) -> dict[str, Any]:
    return {
        "compared": found.candidates,
        "pairs": len(found.pairs),
        "complete": int(found.complete),
        "first": [
            {
                "name": pair.first.name,
                "line": pair.first.line,
                "other": pair.second.name,
                "other_line": pair.second.line,
                "lines": min(pair.first.lines, pair.second.lines),
                "similarity": round(pair.similarity, 3),
            }
            for pair in found.pairs[:_LISTED]
        ],
    }


def _maintainability(outline: Outline, tokens: Tokens) -> dict[str, Any]:
    lines, volume = tokens.lines, outline.vocabulary.volume()
    comments = 100 * (lines.comments + lines.multiline_docstring) / lines.code if lines.code else 0.0
    index = maintainability_index(volume, outline.complexity, lines.logical, comments)
    return {
        "index": round(index, 2),
        "rank": maintainability_rank(index),
        "volume": round(volume, 1),
        "difficulty": round(outline.vocabulary.difficulty(), 2),
    }
