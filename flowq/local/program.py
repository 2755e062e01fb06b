"""What a worker needs to know of the program that starts it: its import path and its script. Starts nothing."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

FLOWQ = Path(__file__).parents[1]


def import_path() -> list[str]:
    """The program's import path without Python's own folders: its script's folder, PYTHONPATH, editable installs."""
    entries = dict.fromkeys(str(Path(entry).absolute()) for entry in sys.path)
    # PYTHONPATH cannot contain an entry with a colon.
    return [entry for entry in entries if os.pathsep not in entry and not _comes_with_python(Path(entry))]


def main_path() -> Path | None:
    """The program's own script, whose node classes are named ``__main__:…``.

    None if there are no such classes (flowq's own command, a console script of an installation), or if they cannot be
    loaded again (an interactive session).
    """
    name = getattr(sys.modules.get("__main__"), "__file__", None)
    if name is None:
        return None
    path = Path(name).absolute()
    if not path.is_file() or path.is_relative_to(FLOWQ) or _comes_with_python(path):
        return None
    return path


def main_module() -> str | None:
    """The dotted name under which ``python -m`` found the script; None if it was run by its path."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    # If a folder or zip archive is run, its __main__.py has that very name.
    return None if main_path() is None or spec is None or spec.name == "__main__" else str(spec.name)


def _comes_with_python(path: Path) -> bool:
    folders = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    zipped = path.suffix == ".zip" and path.parent in {folder.parent for folder in folders}
    return zipped or any(path.is_relative_to(folder) for folder in folders)
