"""Sink: writes and reads results as JSONL part files, in a folder or at an fsspec URL, instead of in memory or Redis.

A part is written completely, under a unique name, before a commit of the batch refers to it; a part without a reference
is garbage. Which parts have one is not known here.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol, overload

from pydantic_core import from_json

from flowq.batch.results.allowed_sinks import refusal
from flowq.errors import ConfigError


class Sink(Protocol):
    """A folder of part files."""

    def write(self, name: str, data: bytes) -> str:
        """Write a complete part; returns its address."""
        ...

    def names(self) -> list[str]:
        """The addresses of all parts in the folder."""
        ...

    def remove(self, address: str) -> None:
        """Remove a part; no effect if it does not exist."""
        ...


class _Folder:
    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def write(self, name: str, data: bytes) -> str:
        self._path.mkdir(parents=True, exist_ok=True)
        path = self._path / name
        try:
            with path.open("wb") as part:
                part.write(data)
                part.flush()
                os.fsync(part.fileno())  # the commit in Redis that refers to it must not survive a crash alone
        except OSError:
            self.remove(str(path))  # on a full disk, half a part would keep what room is left
            raise
        return str(path)

    def names(self) -> list[str]:
        return [str(path) for path in self._path.glob("*.jsonl")]

    def remove(self, address: str) -> None:
        Path(address).unlink(missing_ok=True)


class _Remote:
    def __init__(self, url: str) -> None:
        self._fs, self._path = _file_system(url)
        self._url = url

    def write(self, name: str, data: bytes) -> str:
        self._fs.makedirs(self._path, exist_ok=True)
        self._fs.pipe_file(f"{self._path}/{name}", data)
        return f"{self._url}/{name}"

    def names(self) -> list[str]:
        if not self._fs.exists(self._path):
            return []
        found = self._fs.ls(self._path, detail=False)
        return [f"{self._url}/{path.rpartition('/')[2]}" for path in found if path.endswith(".jsonl")]

    def remove(self, address: str) -> None:
        _, path = _file_system(address)
        if self._fs.exists(path):
            self._fs.rm_file(path)


def address_of(sink: str) -> str:
    """The address of *sink* in every process: the absolute path of a folder, or the URL.

    Raises:
        ConfigError: it is a URL, and fsspec or a package that fsspec needs for it is not installed.
    """
    if "://" not in sink:
        return os.path.abspath(os.path.expanduser(sink))
    if refusal(sink) is None:  # only if allowed, as some file systems connect to their host on creation
        _file_system(sink)
    return sink.rstrip("/")


def open_sink(address: str, batch_id: str) -> Sink:
    """The folder of one batch below the *address* of a sink."""
    folder = re.sub(r"[^\w.-]", "_", batch_id)
    return _Remote(f"{address}/{folder}") if "://" in address else _Folder(os.path.join(address, folder))


def part_name(gen: int, start: int, upto: int, birth: str = "") -> str:
    """A unique name for a part; sorted by name, parts are in item order. *birth*: see Header."""
    return f"{start:012d}-{upto:012d}.{gen}.{birth}{uuid.uuid4().hex[:12]}.jsonl"


def generation_of(address: str, birth: str = "") -> int:
    """The generation in which a part was written by the batch of this *birth*; -1 if it is no name of such a part."""
    found = re.search(rf"\d{{12}}-\d{{12}}\.(\d+)\.{birth}[0-9a-f]{{12}}\.jsonl$", address)
    return int(found[1]) if found else -1


def read_part(address: str) -> list[bytes]:
    """The lines of a part, one JSON value each; not decoded, so that each reader gets new objects.

    Raises:
        OSError: the part cannot be read.
        SinkFailed: this process may not read at this address, which may come from Redis.
    """
    refused = refusal(address, act="read")
    if refused is not None:
        raise refused
    return _lines_at(address)


@lru_cache(maxsize=2)  # parts never change, and are usually read completely
def _lines_at(address: str) -> list[bytes]:
    if "://" in address:
        fs, path = _file_system(address)
        data: bytes = fs.cat_file(path)
    else:
        data = Path(address).read_bytes()
    return data.splitlines()


class PartValues(Sequence[Any]):
    """The values of a commit that are in a part, read on access; None for an item without a value.

    Args:
        address: the part.
        n: how many items.
        without: places of items that have no line, in ascending order.
        size_bytes: of the part, for who has just written it.
    """

    __slots__ = ("_n", "_without", "address", "size_bytes")

    def __init__(self, address: str, n: int, without: Iterable[int], size_bytes: int = 0) -> None:
        self.address, self.size_bytes = address, size_bytes
        self._n, self._without = n, frozenset(without)

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Any: ...
    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...
    def __getitem__(self, at: int | slice) -> Any:
        lines = self._lines()[at]
        return [_value(line) for line in lines] if isinstance(lines, list) else _value(lines)

    def __iter__(self) -> Any:
        return iter(self[:])

    def _lines(self) -> list[bytes] | list[bytes | None]:
        """The line of each item; None if it has none."""
        if not self._without:
            return read_part(self.address)
        lines = iter(read_part(self.address))
        return [None if place in self._without else next(lines) for place in range(self._n)]


def _value(line: bytes | None) -> Any:
    if line is None:
        return None
    try:
        return from_json(line)
    except ValueError:  # it reads 200 levels and numbers of 4,300 digits, and its writer knows no such limits
        return json.loads(line, parse_int=lambda digits: int(Decimal(digits)))


def _file_system(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError(
            f"a sink behind a URL ({url}) needs fsspec: pip install fsspec (or flowq with its extra sink)"
        ) from error
    try:
        fs, path = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"the sink {url} cannot be opened: {error}") from error
    return fs, path.rstrip("/")
