"""The demo's input: the files of the running Python's standard library, read and parsed."""

from __future__ import annotations

import ast
import importlib.util
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath

# Third-party packages: below the standard library's folder, but not part of it.
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
    """Every ``.py`` file of the running Python's standard library, sorted, without third-party packages."""
    root = stdlib_root()
    return sorted(path for path in root.rglob("*.py") if _FOREIGN.isdisjoint(path.relative_to(root).parts))


def shown_path(path: str) -> str:
    """`path` for display: relative to the standard library; the file name of another absolute path; else unchanged."""
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
        SyntaxError: the encoding is unknown, or the text is not valid in this version of Python.
    """
    data = Path(path).read_bytes()
    text = importlib.util.decode_source(data)
    with warnings.catch_warnings():
        # Warnings such as "invalid escape sequence" are for the author of the file, not for the worker's log.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text, filename=path)
        except ValueError as error:  # raised for null bytes by some releases of Python 3.11
            raise SyntaxError(str(error)) from error
    return Source(path, len(data), text, tree)
