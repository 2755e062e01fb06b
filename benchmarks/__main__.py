"""``python -m benchmarks``: what ``make bench`` runs. The peers that need no further package, shown in the terminal."""

from __future__ import annotations

import sys

from benchmarks import peers
from benchmarks.systems import WITHOUT_EXTRA

if __name__ == "__main__":
    peers.main(["--show", *sys.argv[1:]], "python -m benchmarks", WITHOUT_EXTRA)
