"""Blobs that a worker's processes share: what one has fetched from Redis, the others read from a file without a name.

Nothing here is trusted: what is read is checked against its hash, and whatever fails, the blob is fetched.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Callable

from flowq.codec import content_hash
from flowq.worker.turns import Turns

log = logging.getLogger("flowq.blobs")

# Where a blob lies, its bytes, its name. Which of them are to be believed is for the hash to say.
_ENTRY = struct.Struct("<QI32s")
_NAME_BYTES = 32
_HEAD = struct.Struct("<Q")
ROWS, ENTRIES_A_ROW = 1024, 4
_ROWS_AT = _HEAD.size
_ROW_BYTES = _ENTRY.size * ENTRIES_A_ROW

# Below that, keeping a blob for others takes longer than a batch of few items should have to wait.
KEPT_FROM_BYTES = 4096
# Of the room in the folder for temporary files: the rest is the items'.
SHARE_OF_FREE = 4
TURNS = 256
FETCH_WAIT_S = 10.0
PLACE_WAIT_S = 0.1


class SharedBlobs:
    """The blobs used last by a worker's processes, but for the smallest. Made before the pool forks.

    The file has been unlinked when the first blob comes: nobody else can open it, and the kernel frees it with the last
    process that has it open, however that ends. It is written round and round, so the oldest go first. Places are
    counted on from round to round, never back: *head* is where the next blob goes, and a blob that lies more than the
    file's size before it has been written over.

    Args:
        fd: of an empty file of this worker's own; open for as long as the process lives.
        size_bytes: how large it may grow.
    """

    def __init__(self, fd: int, size_bytes: int) -> None:
        self.fd, self._size_bytes = fd, size_bytes
        self._file = _identity(fd)
        self._index = mmap.mmap(-1, _ROWS_AT + ROWS * _ROW_BYTES)
        self._turns = Turns(fd, TURNS + 1)
        self._told = False

    @classmethod
    def open(cls, limit_bytes: int) -> SharedBlobs | None:
        """Make the file where temporary files go, for *limit_bytes* or a quarter of what is free; None: no room."""
        try:
            with tempfile.TemporaryFile(prefix="flowq-") as file:
                free = os.fstatvfs(file.fileno())
                fd = os.dup(file.fileno())
        except OSError as error:
            log.warning("no temporary file: each process fetches stores for itself", extra={"error": repr(error)})
            return None
        return cls(fd, min(limit_bytes, free.f_bavail * free.f_frsize // SHARE_OF_FREE))

    def get(self, name: str, fetch: Callable[[], bytes]) -> bytes:
        """The blob with this hash, by *fetch* if none of the processes has it.

        One process at a time fetches a blob; who has waited ten seconds for another fetches it as well.

        Raises:
            what *fetch* raises.
        """
        if len(name) != _NAME_BYTES or not name.isascii():
            return fetch()
        blob = self._read(name)
        if blob is not None:
            return blob
        with self._turns.turn(zlib.crc32(name.encode()) % TURNS, FETCH_WAIT_S):
            blob = self._read(name)
            if blob is None:
                blob = fetch()
                self._keep(name, blob)
        return blob

    def _read(self, name: str) -> bytes | None:
        wanted = name.encode()
        for at in _row(wanted):
            place, size_bytes, known = _ENTRY.unpack_from(self._index, at)
            if known == wanted and self._head() - place <= self._size_bytes:
                try:
                    blob = os.pread(self.fd, size_bytes, place % self._size_bytes)
                except OSError as error:
                    self._tell(error)
                    return None
                if content_hash(blob) == name:  # else somebody wrote over it just now, or died writing it
                    return blob
        return None

    def _keep(self, name: str, blob: bytes) -> None:
        place = self._take_place(len(blob))
        if place is None:
            return
        try:
            if _identity(self.fd) != self._file:
                raise OSError("an item's code closed the file")
            if os.pwrite(self.fd, blob, place % self._size_bytes) < len(blob):
                raise OSError("no room left")
        except OSError as error:
            self._tell(error)
            return
        wanted = name.encode()
        at = min(_row(wanted), key=lambda at: self._age(at, wanted))
        _ENTRY.pack_into(self._index, at, place, len(blob), wanted)

    def _take_place(self, size_bytes: int) -> int | None:
        """Where so many bytes may be written; None: too few, too many, or others are at it for too long."""
        if not KEPT_FROM_BYTES <= size_bytes <= self._size_bytes:
            return None
        with self._turns.turn(TURNS, PLACE_WAIT_S) as alone:
            if not alone:
                return None
            place = self._head()
            left = self._size_bytes - place % self._size_bytes
            if left < size_bytes:
                place += left  # on from the file's beginning
            _HEAD.pack_into(self._index, 0, place + size_bytes)
            return place

    def _head(self) -> int:
        return int(_HEAD.unpack_from(self._index)[0])

    def _age(self, at: int, wanted: bytes) -> int:
        """By which the entries of a row are given up: that of the same blob first, then the oldest."""
        place, _, known = _ENTRY.unpack_from(self._index, at)
        return -1 if known == wanted else int(place)

    def _tell(self, error: OSError) -> None:
        if not self._told:
            self._told = True
            log.warning("this process fetches stores for itself", extra={"error": repr(error)})


def _row(name: bytes) -> range:
    first = _ROWS_AT + zlib.crc32(name) % ROWS * _ROW_BYTES
    return range(first, first + _ROW_BYTES, _ENTRY.size)


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
