"""Tokens: one pass over a file's tokens, for its kinds of lines and the words used to find duplicates."""

from __future__ import annotations

import io
import token
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from keyword import iskeyword
from tokenize import TokenInfo

# Python 3.12 splits an f-string into START, MIDDLE and END, with the tokens of its expressions: START is its word.
_STRINGS = frozenset({token.STRING, getattr(token, "FSTRING_START", token.STRING)})
_SILENT = frozenset(
    {token.INDENT, token.DEDENT, token.ENDMARKER, token.NL, token.COMMENT}
    | {getattr(token, name) for name in ("FSTRING_MIDDLE", "FSTRING_END") if hasattr(token, name)}
)


@dataclass(slots=True)
class Lines:
    """The number of lines by kind, counted like radon's ``raw``. Every line is one of the first four kinds."""

    code: int = 0
    comment: int = 0
    """Lines with only a comment."""
    docstring: int = 0
    """Lines of strings that are statements of their own."""
    blank: int = 0
    multiline_docstring: int = 0
    """The lines of ``docstring`` whose string spans several lines."""
    comments: int = 0
    """Comments, including those after code."""
    logical: int = 0
    """Statements by radon's token rule: the parts between semicolons, plus one for a part after a colon."""


@dataclass(slots=True)
class Tokens:
    """The result of the pass. ``words[i]`` begins on line ``rows[i]``.

    A word is a normalized token: all variables are one word, all numbers are one, all strings are one; keywords,
    operators and attribute names (the ``append`` of ``x.append``) are kept. Equal words have equal numbers within one
    file. Comments, docstrings and indentation are not words.
    """

    count: int = 0
    lines: Lines = field(default_factory=Lines)
    words: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def read_tokens(text: str) -> Tokens:
    """Tokenize `text`, count its lines and collect its words.

    Raises:
        SyntaxError: the text cannot be tokenized.
    """
    found = Tokens()
    physical = text.split("\n")
    numbers: dict[str, int] = {}
    try:
        for unit in _logical_lines(text):
            found.count += len(unit)
            spoken = [word for word in unit if word.type not in _SILENT]
            if _sort_line(unit, spoken, physical, found.lines):
                _add_words(spoken, numbers, found)
    except tokenize.TokenError as error:
        message, (row, column) = error.args
        raise SyntaxError(message, (None, row, column, None)) from error
    return found


def _logical_lines(text: str) -> Iterator[list[TokenInfo]]:
    """Yield the tokens of one logical line, of one line with only a comment, or of one blank line at a time."""
    unit: list[TokenInfo] = []
    spoken = False
    for word in tokenize.generate_tokens(io.StringIO(text).readline):
        unit.append(word)
        kind = word.type
        if kind == token.NEWLINE or (kind == token.NL and not spoken):
            yield unit
            unit = []
            spoken = False
        elif not spoken:
            spoken = kind not in _SILENT
    yield unit


def _sort_line(unit: list[TokenInfo], spoken: list[TokenInfo], physical: list[str], lines: Lines) -> bool:
    """Count one logical line in `lines`; returns whether it is code."""
    comments = sum(word.type == token.COMMENT for word in unit)
    lines.comments += comments
    if not spoken:
        lines.comment += comments
        lines.blank += sum(word.type == token.NL for word in unit) - comments
        return False
    first, last = spoken[0].start[0], spoken[-1].start[0]
    blank = 0 if first == last else sum(not line.strip() for line in physical[first - 1 : last])
    lines.blank += blank
    lines.logical += _count_statements(spoken)
    if len(spoken) == 2 and spoken[0].type == token.STRING and not comments:
        lines.docstring += last - first + 1 - blank
        lines.multiline_docstring += last - first + 1 - blank if first != last else 0
        return False
    lines.code += last - first + 1 - blank
    return True


def _count_statements(spoken: list[TokenInfo]) -> int:
    """Radon's rule, in which a slice or an annotation counts as a colon, too; kept so that the figures are equal."""
    statements = 0
    begun = colon = False
    last = ""
    for word in spoken:
        text = word.string
        if text == ";" or word.type == token.NEWLINE:
            statements += begun + (colon and last != ":")
            begun = colon = False
        else:
            begun = True
            colon = colon or text == ":"
            last = text
    return statements


def _add_words(spoken: list[TokenInfo], numbers: dict[str, int], found: Tokens) -> None:
    """Append the words of one line of code."""
    last = ""
    for word in spoken:
        kind, text = word.type, word.string
        if kind == token.NAME:
            shape = text if last == "." or iskeyword(text) else "name"
        elif kind in _STRINGS:
            shape = "'"
        elif kind == token.NUMBER:
            shape = "0"
        elif kind == token.NEWLINE:
            shape = "\n"
        else:
            shape = text
        last = text
        found.words.append(numbers.setdefault(shape, len(numbers)))
        found.rows.append(word.start[0])
