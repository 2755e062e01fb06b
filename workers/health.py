"""The health check of a container: does the worker's pulse beat? ``python -I -S workers/health.py /run/flowq/alive``.

From when it consumes, the worker touches the file named by FLOWQ_READY_FILE with every pulse, also while Redis is
away. Standard library only, because it starts every few seconds beside the worker.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

# A pulse beats every second. While Redis is away, each of its parts may wait several seconds for an answer.
MAX_AGE_S = 60.0


def objection(path: Path, max_age_s: float) -> str | None:
    """Why the worker is not healthy; None if it is."""
    try:
        age_s = time.time() - path.stat().st_mtime
    except OSError as error:
        return f"{path} cannot be read ({error.strerror}): the worker does not consume yet"
    if age_s > max_age_s:
        return f"the last beat was {age_s:.0f} s ago, more than {max_age_s:.0f} s"
    return None


def main(arguments: list[str]) -> int:
    """Exit status 0: healthy; 1: not, with the reason on stderr."""
    parser = argparse.ArgumentParser(description="Whether a flowq worker is healthy.")
    parser.add_argument("file", type=Path, help="the worker's FLOWQ_READY_FILE")
    parser.add_argument("--max-age", type=float, default=MAX_AGE_S, metavar="SECONDS", help="of the last beat")
    given = parser.parse_args(arguments)
    reason = objection(given.file, given.max_age)
    if reason is not None:
        print(reason, file=sys.stderr)
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
