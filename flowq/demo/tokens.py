"""One pass over a file's tokens: what each line is, and the words that duplicates are looked for in. No syntax tree."""

from __future__ import annotations

import io
import token
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from keyword import iskeyword
from tokenize import TokenInfo

# Python 3.12 cuts an f-string into START, MIDDLE and END, its expressions' tokens between: START is the string's word.
_STRINGS = frozenset({token.STRING, getattr(token, "FSTRING_START", token.STRING)})
_SILENT = frozenset(
    {token.INDENT, token.DEDENT, token.ENDMARKER, token.NL, token.COMMENT}
    | {getattr(token, name) for name in ("FSTRING_MIDDLE", "FSTRING_END") if hasattr(token, name)}
)


@dataclass(slots=True)
class Lines:
    """How many lines are what, counted as radon's ``raw`` does. Every line is one of the first four."""

    code: int = 0
    comment: int = 0
    """Lines that hold a comment and nothing else."""
    docstring: int = 0
    """Lines of strings that stand alone."""
    blank: int = 0
    multiline_docstring: int = 0
    """Those of ``docstring`` whose string spans several lines."""
    comments: int = 0
    """Comments, those behind code as well."""
    logical: int = 0
    """Statements as radon sees them in the tokens: the parts between semicolons, and what follows a colon once more."""


@dataclass(slots=True)
class Tokens:
    """What the pass found. ``words[i]`` begins on line ``rows[i]``.

    A word is a token made comparable: variables are all one word, so are numbers and so are strings; keywords,
    operators and attribute names (the ``append`` of ``x.append``) stay what they are. Equal words have equal numbers
    within one file. Comments, docstrings and indentation are no words.
    """

    count: int = 0
    lines: Lines = field(default_factory=Lines)
    words: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


def read_tokens(text: str) -> Tokens:
    """Tokenise `text`, sort its lines and make its words.

    Raises:
        SyntaxError: the text cannot be cut into tokens.
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
    """The tokens of one statement line, of one line with nothing but a comment, or of one blank line at a time."""
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
    """Count one logical line into `lines`; True when it is code."""
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
    """Radon's rule. A slice or an annotation is "what follows a colon" too: known, and kept for equal figures."""
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
