"""Count the words of text files: a flow of two nodes runs once per file, and the results are merged.

python examples/wordcount_batchflow.py                    this repository's own documents, in this process
python examples/wordcount_batchflow.py --local            the same on two worker processes
python examples/wordcount_batchflow.py notes/*.txt        files of yours

Each file's run has its own view of the store. Afterwards the changes are merged in the order of the files: by the
reducers that the store's schema names, and for ``words_by_file``, which has none, dict by dict.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel

import flowq

ROOT = Path(__file__).resolve().parents[1]
WORD = re.compile(r"[^\W\d_]{2,}")


def summed(total: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """A reducer of our own: two tables of counts as one."""
    return dict(Counter(total) + Counter(more))


@flowq.register
class Words(BaseModel):
    """What the store holds. Registered, so that the workers find it."""

    files: Annotated[int, flowq.Add] = 0
    longest: Annotated[int, flowq.Max] = 0
    counts: Annotated[dict[str, int], summed] = {}
    words_by_file: dict[str, int] = {}


class Read(flowq.Node[str, str]):
    """The text of this run's file."""

    def prep(self, shared: Any) -> str:
        return str(self.params["path"])

    def exec(self, path: str) -> str:
        return Path(path).read_text(encoding="utf-8", errors="replace")

    def post(self, shared: Any, path: str, text: str) -> None:
        shared["text"] = text


class Count(flowq.Node[str, dict[str, int]]):
    """Its words."""

    def prep(self, shared: Any) -> str:
        # Removed again: what stays in the store is merged, and the files' texts differ.
        return str(shared.pop("text"))

    def exec(self, text: str) -> dict[str, int]:
        return dict(Counter(word.lower() for word in WORD.findall(text)))

    def post(self, shared: Any, text: str, counts: dict[str, int]) -> None:
        shared["files"] += 1
        shared["longest"] = max(shared["longest"], max(map(len, counts), default=0))
        shared["counts"] = counts
        shared["words_by_file"][self.params["path"]] = sum(counts.values())


class CountEach(flowq.BatchFlow):
    """The flow ``Read >> Count``, once a file."""

    def prep(self, shared: Any) -> list[dict[str, str]]:
        return [{"path": path} for path in shared["paths"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="text files (default: README.md and docs/)")
    parser.add_argument("--local", action="store_true", help="run the files on two worker processes")
    given = parser.parse_args()
    files = given.files or [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

    read = Read()
    read >> Count()
    shared = flowq.SharedStore({"paths": [str(file.resolve()) for file in files]}, schema=Words)
    with flowq.LocalCluster(slots=2) if given.local else nullcontext():
        CountEach(start=read).run(shared)

    words_by_file, counts = shared["words_by_file"], shared["counts"]
    print(f"{shared['files']} files, {sum(words_by_file.values()):,} words, {len(counts):,} different ones")
    print(f"The longest word has {shared['longest']} letters.")
    for word, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:5]:
        print(f"{count:7,} {word}")
    for path, words in sorted(words_by_file.items(), key=lambda pair: (-pair[1], pair[0]))[:3]:
        print(f"{words:7,} words in {Path(path).name}")


if __name__ == "__main__":
    main()
