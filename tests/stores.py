"""File systems whose client raises errors of its own, no OSErrors, as object stores' do. For workers to import."""

from __future__ import annotations

from typing import Any

import fsspec  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]


class ClientError(Exception):
    """As botocore's: s3fs hands it on."""


class Unlisted(LocalFileSystem):  # type: ignore[misc]
    """Folders that may be written and read, and not listed."""

    protocol = "unlisted"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = LocalFileSystem._strip_protocol(path.removeprefix("unlisted://").removeprefix("away://"))
        return stripped

    def ls(self, path: str, **options: Any) -> Any:
        raise ClientError("AccessDenied: ListObjectsV2")


class Away(Unlisted):
    """Nothing of it can be reached."""

    protocol = "away"

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        raise ClientError("Could not connect to the endpoint URL")


for file_system in (Unlisted, Away):
    fsspec.register_implementation(file_system.protocol, file_system, clobber=True)
