"""The demo's input: the files of the running Python's standard library, read and parsed. Nothing is measured here."""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath

# Installed by somebody else: below the stdlib's folder, but no part of it.
_FOREIGN = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Source:
    """One parsed file: its text with newlines as ``\\n``, and the syntax tree of that text."""

    path: str
    size_bytes: int
    text: str
    tree: ast.Module


def stdlib_root() -> Path:
    """The folder of the running Python's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def stdlib_files() -> list[Path]:
    """Every ``.py`` file of the running Python's standard library, sorted; packages installed into it are left out."""
    root = stdlib_root()
    return sorted(path for path in root.rglob("*.py") if _FOREIGN.isdisjoint(path.relative_to(root).parts))


def shown_path(path: str) -> str:
    """`path` as a reader wants it: relative to the stdlib; of another absolute path the file name, else as it is."""
    pure = PurePath(path)
    root = stdlib_root()
    if pure.is_relative_to(root):
        return pure.relative_to(root).as_posix()
    return pure.name if pure.is_absolute() else pure.as_posix()


def read_source(path: str) -> Source:
    """Read and parse one file as the interpreter would: PEP 263 cookie, byte order mark, any newline.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: its bytes are not in the encoding it claims.
        SyntaxError: the encoding is unknown, or the text is not Python of this version.
    """
    data = Path(path).read_bytes()
    text = importlib.util.decode_source(data)
    with warnings.catch_warnings():
        # "invalid escape sequence" and its like concern the author of the file, not whoever watches the worker's log.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text, filename=path)
        except ValueError as error:  # null bytes, as some releases of Python 3.11 say it
            raise SyntaxError(str(error)) from error
    return Source(path, len(data), text, tree)
