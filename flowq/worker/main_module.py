"""The script of a local program, loaded in its workers so that they know the node classes defined in it."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path

from flowq.registry import rename_module

LOADED_AS = "__mp_main__"


def load_main(path: Path, name: str | None = None) -> None:
    """Run the script at *path* under another name than ``__main__``, as multiprocessing's spawn does.

    With *name*, under which ``python -m`` found it, it is part of its package: it may use relative imports, and its
    folder is not added to the import path. The block under ``if __name__ == "__main__":`` does not run; the classes
    that it registers are named ``__main__:…``.
    """
    # When multiprocessing is imported, it registers the running program itself under this name.
    if sys.modules.get(LOADED_AS) not in (None, sys.modules["__main__"]):
        return
    module = types.ModuleType(LOADED_AS)
    sys.modules[LOADED_AS] = module
    if name is None:
        sys.path.insert(0, str(path.resolve().parent))
        module.__dict__.update(runpy.run_path(str(path), run_name=LOADED_AS))
    else:
        module.__dict__.update(runpy.run_module(name, run_name=LOADED_AS, alter_sys=True))
    rename_module(LOADED_AS, "__main__")
