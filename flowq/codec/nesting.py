"""Measures the nesting depth of packed bytes without recursion and without decoding them.

ormsgpack limits the depth of one payload (255 levels encoding, 1,024 decoding), but each extension starts a new
payload, and each level takes about 560 bytes of the C stack: 14 nested payloads of full depth would crash the process.
So the first few payloads are not measured, and those further inside are measured before they are decoded.
"""

from __future__ import annotations

from flowq.codec import tags

MAX_DEPTH = 64  # nested extensions
FREE_DEPTH = 6  # 6 × 1,024 levels × 560 bytes = 3.4 of the 8 MiB of a thread's stack
MAX_NESTING = 512  # levels of any kind inside the free ones
SHALLOW_BYTES = 1024  # not measured: a level takes at least one byte

_LEAF, _ARRAY, _MAP, _RUN, _EXT, _BAD = range(6)


def _kinds() -> list[tuple[int, int, int]]:
    """For each first byte: its kind, the number of length bytes that follow, and its fixed size or count."""
    kinds = [(_LEAF, 0, 1)] * 256  # fixints, nil, booleans
    kinds[0x80:0x90] = [(_MAP, 0, count) for count in range(16)]
    kinds[0x90:0xA0] = [(_ARRAY, 0, count) for count in range(16)]
    kinds[0xA0:0xC0] = [(_LEAF, 0, 1 + size) for size in range(32)]
    kinds[0xC1] = (_BAD, 0, 0)
    for first, length_bytes in ((0xC4, 1), (0xC5, 2), (0xC6, 4), (0xD9, 1), (0xDA, 2), (0xDB, 4)):
        kinds[first] = (_RUN, length_bytes, 0)
    for first, length_bytes in ((0xC7, 1), (0xC8, 2), (0xC9, 4)):
        kinds[first] = (_EXT, length_bytes, 0)
    for power in range(5):
        kinds[0xD4 + power] = (_EXT, 0, 1 << power)
    for first, size in ((0xCA, 4), (0xCB, 8), (0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        kinds[first] = (_LEAF, 0, 1 + size)
    for power in range(4):
        kinds[0xD0 + power] = (_LEAF, 0, 1 + (1 << power))
    kinds[0xDC], kinds[0xDD], kinds[0xDE], kinds[0xDF] = (_ARRAY, 2, 0), (_ARRAY, 4, 0), (_MAP, 2, 0), (_MAP, 4, 0)
    return kinds


_KINDS = tuple(_kinds())


def too_deep(data: bytes) -> bool:
    """Whether *data* nests deeper than MAX_NESTING. Malformed bytes are measured up to the error, where a decoder
    would stop."""
    if len(data) <= SHALLOW_BYTES:
        return False
    try:
        return _exceeds(data, MAX_NESTING)
    except IndexError:  # truncated
        return False


def _exceeds(data: bytes, limit: int) -> bool:
    at = 0
    left = 1  # values still to come in the container around `at`
    outer: list[tuple[int, int]] = []  # `left` and `goes_on` of each enclosing container
    goes_on = -1  # where the enclosing container continues; -1: right after this one
    while True:
        while left == 0:
            if goes_on >= 0:
                at = goes_on
            if not outer:
                return False
            left, goes_on = outer.pop()
        left -= 1
        kind, length_bytes, size = _KINDS[data[at]]
        if kind == _LEAF:
            at += size
            continue
        if kind == _BAD:
            return False
        at += 1
        if length_bytes:
            size = int.from_bytes(data[at : at + length_bytes], "big")
            at += length_bytes
        if kind == _RUN:
            at += size
            continue
        if kind == _EXT and (data[at] in tags.OPAQUE or size == 0):
            at += 1 + size
            continue
        if len(outer) >= limit:
            return True
        outer.append((left, goes_on))
        if kind == _EXT:
            left, goes_on = 1, at + 1 + size
            at += 1
        else:
            left, goes_on = (size * 2 if kind == _MAP else size), -1
