"""``python -m benchmarks``: what ``make bench`` runs. The peers that need no further package, measured anew."""

from __future__ import annotations

import sys

from benchmarks import peers

# Short of the extra `peers`: flowq (nested beside flat), what the machine allows, and plain Celery.
WITHOUT_EXTRA = ("flowq", "pool", "gather", "redis", "chord", "group")
FILE = peers.FOLDER.parent / "bench.jsonl"

if __name__ == "__main__":
    peers.main(
        ["--only", *WITHOUT_EXTRA, "--file", str(FILE), "--fresh", "--show", *sys.argv[1:]], "python -m benchmarks"
    )
