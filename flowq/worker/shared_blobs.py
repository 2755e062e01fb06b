"""Blobs shared by a worker's processes: what one has fetched from Redis, the others read from an unlinked file.

Nothing in the file is trusted: each blob is checked against its hash; if that or a read fails, it is fetched.
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

# The place of a blob in the file, its size in bytes, its name. Entries may be stale: the blob's hash decides.
_ENTRY = struct.Struct("<QI32s")
_NAME_BYTES = 32
_HEAD = struct.Struct("<Q")
ROWS, ENTRIES_A_ROW = 1024, 4
_ROWS_AT = _HEAD.size
_ROW_BYTES = _ENTRY.size * ENTRIES_A_ROW

# Sharing smaller blobs takes longer than it saves, which a batch of few items would notice.
KEPT_FROM_BYTES = 4096
# At most this fraction (1/n) of the free space in the temporary folder: items need the rest.
SHARE_OF_FREE = 4
TURNS = 256
FETCH_WAIT_S = 10.0
PLACE_WAIT_S = 0.1


class SharedBlobs:
    """The blobs last used by a worker's processes, except the smallest. Created before the pool forks.

    The file is already unlinked when the first blob is written: nobody else can open it, and the kernel frees it when
    the last process closes it, however that ends. It is a ring buffer, so the oldest blobs are overwritten first.
    Places only ever grow: *head* is the next place to write to, and a blob further back than the file's size is
    overwritten.

    Args:
        fd: an empty file of this worker; kept open for the life of the process.
        size_bytes: the file's largest size.
    """

    def __init__(self, fd: int, size_bytes: int) -> None:
        self.fd, self._size_bytes = fd, size_bytes
        self._file = _identity(fd)
        self._index = mmap.mmap(-1, _ROWS_AT + ROWS * _ROW_BYTES)
        self._turns = Turns(fd, TURNS + 1)
        self._told = False

    @classmethod
    def open(cls, limit_bytes: int) -> SharedBlobs | None:
        """Create the file in the temporary folder, for *limit_bytes* or a quarter of what is free; None on failure."""
        try:
            with tempfile.TemporaryFile(prefix="flowq-") as file:
                free = os.fstatvfs(file.fileno())
                fd = os.dup(file.fileno())
        except OSError as error:
            log.warning("no temporary file: each process fetches stores for itself", extra={"error": repr(error)})
            return None
        return cls(fd, min(limit_bytes, free.f_bavail * free.f_frsize // SHARE_OF_FREE))

    def get(self, name: str, fetch: Callable[[], bytes]) -> bytes:
        """The blob with this hash, from *fetch* if no process has it.

        One process at a time fetches a blob; one that has waited ten seconds for another fetches it as well.

        Raises:
            Exception: raised by *fetch*.
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
                if content_hash(blob) == name:  # else another process is overwriting it, or died while writing it
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
        """Reserve a place for so many bytes; None: too few, too many, or the turn took too long."""
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
        """The order in which a row's entries are replaced: first one for the same blob, then the oldest."""
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
