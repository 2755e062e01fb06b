"""The envelope of packed bytes: magic, version, flags, bounded compression. Independent of the payload.

b"FQ" · version (1 byte) · flags (1 byte, bit 0: zstd) · [size unpacked (u32, big endian), with zstd only] · payload
"""

from __future__ import annotations

import threading

import zstandard

from flowq.errors import DecodeError

MAX_BYTES = 64 * 1024 * 1024
COMPRESS_ABOVE_BYTES = 4096
PROBE_ABOVE_BYTES = 64 * 1024
PROBE_BYTES = 1024
PROBES = 4
"""Number of pieces of a large message that are compressed first, to estimate whether compression is worth it."""

VERSION = 1
_ZSTD = 1
_PLAIN_HEAD = b"FQ" + bytes((VERSION, 0))
_ZSTD_HEAD = b"FQ" + bytes((VERSION, _ZSTD))
_SIZE_BYTES = 4
_COPY_BELOW_BYTES = 16384  # a memoryview costs as much as copying this many bytes
_WINDOW_LIMIT_BYTES = 8 * 1024 * 1024  # level 1 uses at most 512 KiB; a hostile frame may claim 128 MiB


class _Zstd(threading.local):
    """A compressor per thread: creating one takes 20 µs, using it 4 µs, and threads must not share one."""

    def __init__(self) -> None:
        # No size in the frame: zstandard would allocate the size a frame claims, whatever max_output_size says.
        self.compress = zstandard.ZstdCompressor(level=1, write_content_size=False).compress
        self.decompress = zstandard.ZstdDecompressor(max_window_size=_WINDOW_LIMIT_BYTES).decompress


_zstd = _Zstd()


def seal(payload: bytes) -> bytes:
    """*payload* in an envelope, compressed if that makes it smaller."""
    if len(payload) > COMPRESS_ABOVE_BYTES and _is_worth_it(payload):
        packed = _zstd.compress(payload)
        if len(packed) + _SIZE_BYTES < len(payload):
            return b"".join((_ZSTD_HEAD, len(payload).to_bytes(_SIZE_BYTES, "big"), packed))
    return _PLAIN_HEAD + payload


def _is_worth_it(payload: bytes) -> bool:
    """Whether compression is likely to make *payload* smaller. Trying costs as much time as sending it."""
    size = len(payload)
    if size <= PROBE_ABOVE_BYTES:
        return True
    step = (size - PROBE_BYTES) // (PROBES - 1)
    pieces = b"".join([payload[at : at + PROBE_BYTES] for at in range(0, size - PROBE_BYTES + 1, step)])
    return len(_zstd.compress(pieces)) < len(pieces) - len(pieces) // 16


def unseal(data: bytes | bytearray | memoryview, max_bytes: int = MAX_BYTES) -> bytes | memoryview:
    """The payload of an envelope, at most *max_bytes*; never allocates more than that.

    Raises:
        DecodeError: not an envelope, another version, too large, or the compressed part is damaged.
    """
    head = data[:4]
    if head == _PLAIN_HEAD:
        if len(data) - 4 > max_bytes:
            raise DecodeError(f"{len(data) - 4:,} bytes, more than the limit of {max_bytes:,}")
        return bytes(data[4:]) if len(data) < _COPY_BELOW_BYTES else memoryview(data)[4:]
    if head == _ZSTD_HEAD:
        return _decompress(memoryview(data)[4:], max_bytes)
    raise DecodeError(_refusal(bytes(head)))


def unsealed_bytes(data: bytes) -> int:
    """The size in bytes of the payload in an envelope made by ``seal``."""
    if data[:4] == _ZSTD_HEAD:
        return int.from_bytes(data[4 : 4 + _SIZE_BYTES], "big")
    return len(data) - 4


def _decompress(data: memoryview, max_bytes: int) -> bytes:
    size_bytes, frame = int.from_bytes(data[:_SIZE_BYTES], "big"), data[_SIZE_BYTES:]
    if not 0 < size_bytes <= max_bytes:
        raise DecodeError(f"a compressed message claims {size_bytes:,} bytes; the limit is {max_bytes:,}")
    try:
        if zstandard.get_frame_parameters(frame).content_size != zstandard.CONTENTSIZE_UNKNOWN:
            raise DecodeError("a compressed message carries a size of its own, which flowq never writes")
        payload = _zstd.decompress(frame, max_output_size=size_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise DecodeError(f"the compressed part is damaged: {error}") from error
    if len(payload) != size_bytes:
        raise DecodeError(f"a compressed message claims {size_bytes:,} bytes and holds {len(payload):,}")
    return payload


def _refusal(head: bytes) -> str:
    if len(head) < 4 or head[:2] != b"FQ":
        return f"not a flowq message: it begins with {head!r}"
    if head[2] != VERSION:
        return (
            f"the message has codec version {head[2]}; this process reads version {VERSION}. Run the same release of "
            "flowq on both sides."
        )
    return f"the message has unknown flags {head[3]:#04x}"
