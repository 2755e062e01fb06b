"""Which names occur in most modules of a package: workers read the files and add up the counts.

python examples/map_reduce.py                      Python's own package email, in this process
python examples/map_reduce.py --local              the same on two worker processes
python examples/map_reduce.py --package mypackage  a package or module of yours

Only the sum is returned, however many files there are: each process adds up its counts, the aggregator adds up those.
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import flowq


def names_in(path: str) -> dict[str, int]:
    """Every name and attribute that the file mentions, once."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return dict.fromkeys(names | attributes, 1)


def added(total: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Two tables of counts as one. The first may be changed, so that nothing is copied."""
    for name, files in more.items():
        total[name] = total.get(name, 0) + files
    return total


# Two functions are the whole program. They stand at the top of the module, so that workers find them.
count = flowq.ReduceNode(added, {}, each=names_in, items="paths", out="files_with", associative=True)


class Report(flowq.Node[Any, None]):
    """What came of it."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        found: dict[str, int] = shared["files_with"]
        print(f"{shared['processed_count']} files, {len(found):,} different names")
        for name, files in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:5]:
            print(f"{files:5} files with {name}")


def files_of(package: str) -> list[str]:
    """The source files of a package, or the one of a module."""
    origin = getattr(importlib.util.find_spec(package), "origin", None)
    if origin is None:
        raise SystemExit(f"no Python source of {package!r} is found")
    file = Path(origin)
    return [str(one) for one in sorted(file.parent.rglob("*.py"))] if file.name == "__init__.py" else [str(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="read the files on two worker processes")
    parser.add_argument("--package", default="email", help="whose files to read (default: email)")
    given = parser.parse_args()

    count >> Report()
    with flowq.LocalCluster(slots=2) if given.local else nullcontext():
        flowq.Flow(start=count).run({"paths": files_of(given.package)})


if __name__ == "__main__":
    main()
