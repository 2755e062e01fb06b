"""Memory that a worker's processes share with their main process: which chunks each holds, and which item runs.

A child writes only its own board; the main process reads all of them. So it can renew leases while a child is busy,
even in C code that holds the GIL, and knows what a dead child held.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from dataclasses import dataclass

from flowq.codec import dumps, loads
from flowq.errors import CodecError

BOARD_BYTES = 16 * 1024
CHILDREN = 256
# A child that replaces a dead one uses another board of its index, so that the dead one's board stays readable.
BOARDS_A_CHILD = 4
# Sequence (odd: being written), pid, index of the running item, when to kill the process (s of the monotonic clock,
# which all processes of a machine share; 0: never), payload bytes.
_HEAD = struct.Struct("<IIqdI")
_ITEM = struct.Struct("<qd")
_ITEM_AT = 8
_READ_TRIES = 20
# How long a child waits for its main process to clear a board of its predecessors. Celery allows it four seconds.
_FREE_WITHIN_S, _LOOK_EVERY_S = 2.5, 0.01
_STOPPING_AT = BOARD_BYTES * CHILDREN * BOARDS_A_CHILD  # one byte after the last board: the worker is stopping
# Then a word per board, written only by the main process: the sequence at which all that the board held was gone. What
# the child has taken since has another sequence, so that no item is cancelled in place of the one before it.
_GONE_AT = _STOPPING_AT + 1
_WORD = struct.Struct("<I")
_END = _GONE_AT + _WORD.size * CHILDREN * BOARDS_A_CHILD
_NO_ITEM = -1

Held = tuple[str, str, str]  # batch id, chunk id, holder


@dataclass(frozen=True, slots=True)
class BoardView:
    """The contents of one board."""

    number: int
    pid: int
    item: int
    kill_at: float
    held: list[Held]
    sequence: int


class Boards:
    """All boards of a worker. Created before the pool forks."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _END)

    def own(self, child_index: int) -> OwnBoard:
        """The board of this process, the pool's child number *child_index*.

        Waits up to 2.5 s if as many predecessors have died since the main process looked as there are boards.
        """
        first = (child_index % CHILDREN) * BOARDS_A_CHILD
        numbers = range(first, first + BOARDS_A_CHILD)
        until = time.monotonic() + _FREE_WITHIN_S
        while (free := next((number for number in numbers if self._pid(number) == 0), None)) is None:
            if time.monotonic() > until:
                return OwnBoard(self._memory, first * BOARD_BYTES)
            time.sleep(_LOOK_EVERY_S)
        return OwnBoard(self._memory, free * BOARD_BYTES)

    def stop(self) -> None:
        """Tell all children that the worker is stopping: they finish the current item and give the rest back."""
        self._memory[_STOPPING_AT] = 1

    def used(self) -> list[BoardView]:
        """Every board that belongs to a process, alive or dead."""
        return [self.read(number) for number in range(CHILDREN * BOARDS_A_CHILD) if self._pid(number)]

    def tell_gone(self, board: BoardView) -> None:
        """Tell a child that all chunks on *board* are gone from the ledger."""
        _WORD.pack_into(self._memory, _GONE_AT + _WORD.size * board.number, board.sequence)

    def clear(self, number: int) -> None:
        """Release a dead process's board."""
        _HEAD.pack_into(self._memory, number * BOARD_BYTES, 0, 0, _NO_ITEM, 0.0, 0)

    def _pid(self, number: int) -> int:
        return int(_HEAD.unpack_from(self._memory, number * BOARD_BYTES)[1])

    def read(self, number: int) -> BoardView:
        """Read one board, repeatedly while its owner is writing. If it never settles, because its owner died while
        writing, nothing counts as held."""
        at = number * BOARD_BYTES
        for _ in range(_READ_TRIES):
            sequence, pid, item, kill_at, size = _HEAD.unpack_from(self._memory, at)
            body = bytes(self._memory[at + _HEAD.size : at + _HEAD.size + size])
            if sequence % 2 == 0 and _HEAD.unpack_from(self._memory, at)[0] == sequence:
                try:
                    held = [tuple(one) for one in loads(body)] if body else []
                    return BoardView(number, pid, item, kill_at, held, sequence)
                except CodecError:
                    continue
            time.sleep(0)
        return BoardView(number, pid, _NO_ITEM, 0.0, [], 0)


class OwnBoard:
    """The board of this process."""

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory, self._at = memory, at
        self._gone_at = _GONE_AT + _WORD.size * (at // BOARD_BYTES)
        _WORD.pack_into(memory, self._gone_at, 0)
        self._sequence = 0
        self._held: dict[tuple[str, str], Held] = {}
        self._write()

    def hold(self, batch_id: str, chunk_id: str, holder: str) -> None:
        """Have the main process beat for this chunk."""
        self._held[batch_id, chunk_id] = (batch_id, chunk_id, holder)
        self._write()

    def release(self, batch_id: str, chunk_id: str) -> None:
        """Stop beating for this chunk."""
        self._held.pop((batch_id, chunk_id), None)
        self._write()

    def move(self, batch_id: str, chunk_id: str, to: str) -> None:
        """Beat for chunk *to* instead of *chunk_id*, with the same holder."""
        _, _, holder = self._held.pop((batch_id, chunk_id))
        self.hold(batch_id, to, holder)

    def gone(self) -> bool:
        """Whether all that it holds is gone from the ledger, so that its items' results are no longer wanted."""
        return bool(_WORD.unpack_from(self._memory, self._gone_at)[0] == self._sequence)

    def stopping(self) -> bool:
        """Whether the worker is stopping."""
        return self._memory[_STOPPING_AT] == 1

    def running(self, index: int, limit_s: float) -> None:
        """Note that the item at *index* begins; after *limit_s* seconds (0: never) this process is killed."""
        _ITEM.pack_into(self._memory, self._at + _ITEM_AT, index, time.monotonic() + limit_s if limit_s else 0.0)

    def prolong(self, limit_s: float) -> None:
        """Give the running item another *limit_s* seconds from now; does nothing if none with a limit runs."""
        index, kill_at = _ITEM.unpack_from(self._memory, self._at + _ITEM_AT)
        if index != _NO_ITEM and kill_at:
            self.running(index, limit_s)

    def unlimited(self) -> None:
        """Remove the limit of the running item; does nothing if none runs."""
        index = _ITEM.unpack_from(self._memory, self._at + _ITEM_AT)[0]
        if index != _NO_ITEM:
            self.running(index, 0.0)

    def idle(self) -> None:
        """Note that no item runs."""
        _ITEM.pack_into(self._memory, self._at + _ITEM_AT, _NO_ITEM, 0.0)

    def _write(self) -> None:
        body = dumps(list(self._held.values())) if self._held else b""
        if len(body) > BOARD_BYTES - _HEAD.size:
            raise ValueError(f"one process holds {len(self._held)} chunks: more than its board has room for")
        self._sequence += 1
        _HEAD.pack_into(self._memory, self._at, self._sequence, os.getpid(), _NO_ITEM, 0.0, len(body))
        self._memory[self._at + _HEAD.size : self._at + _HEAD.size + len(body)] = body
        self._sequence += 1
        _HEAD.pack_into(self._memory, self._at, self._sequence, os.getpid(), _NO_ITEM, 0.0, len(body))
