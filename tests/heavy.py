"""Items of some KiB that do not compress, for tests of what lies in Redis; and a node that runs them."""

from __future__ import annotations

import os

import flowq
from tests.faulty import begins

SIZE_BYTES = 32 * 1024


def heavy(index: int, size_bytes: int = SIZE_BYTES) -> bytes:
    """The item of this index."""
    return index.to_bytes(8, "big") + os.urandom(size_bytes - 8)


class Heavy(flowq.ParallelBatchNode[bytes, int]):
    """Notes each execution in the oracle at *path* and answers the item's index."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def exec(self, item: bytes) -> int:
        index = int.from_bytes(item[:8], "big")
        begins(self.path, index)()
        return index
