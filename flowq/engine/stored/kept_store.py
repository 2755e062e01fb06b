"""An item's changes to its store, as content-addressed blobs: only changes are sent, only what is read is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from flowq.codec import content_hash, dumps, loads
from flowq.core.store.overlay import UNCHANGING, Overlay
from flowq.engine.stored.snapshots import Snapshots, encoded_value
from flowq.errors import DecodeError

RECENT_KEYS = 64

Changes = dict[str, "str | None"]


class KeptStore:
    """The changes of one overlay, relative to the snapshot below it.

    Args:
        snapshots: where blobs are stored; scope: the owner of this store's blobs.
        below: the manifest of the snapshot below.
        retention_s: of the batch *holder*, to which the items belong.
        floor, recent: the changes so far, see :class:`~flowq.engine.stored.reached.Reached`.
    """

    def __init__(
        self,
        snapshots: Snapshots,
        scope: str,
        below: Mapping[str, str],
        retention_s: float,
        floor: str = "",
        recent: Changes | None = None,
        *,
        holder: str = "",
    ) -> None:
        self._snapshots, self._scope, self._below, self._retention_s = snapshots, scope, below, retention_s
        self._holder = holder
        self.floor, self.recent = floor, dict(recent or {})
        below_recent = changes_in(snapshots, scope, floor) if floor else {}
        self._changes: Changes = {**below_recent, **self.recent}
        self._floor_keys = len(self._changes) - len(self.recent)
        self._unchanging: dict[str, Any] = {}

    def restore(self, store: Overlay) -> None:
        """Apply the saved changes to a fresh overlay."""
        kept = {key: partial(self._load, name) for key, name in self._changes.items() if name is not None}
        store.restore(kept, [key for key, name in self._changes.items() if name is None])

    def save(self, store: Overlay) -> None:
        """Upload the values of *store* that Redis lacks, and update ``floor`` and ``recent`` to refer to them.

        Raises:
            EncodeError: a value cannot be encoded; the path begins with the key.
        """
        blobs: dict[str, bytes] = {}
        for key, value in store.own().items():
            if key in self._unchanging and self._unchanging[key] is value:
                continue
            blob = encoded_value(key, value)
            name = content_hash(blob)
            if self._hash_of(key) != name:
                self._note(key, name)
                if self._below.get(key) != name:
                    blobs[name] = blob
            if type(value) in UNCHANGING:
                self._unchanging[key] = value
        for key in store.deleted():
            if self._hash_of(key) is not None:
                self._note(key, None)
        for key in [key for key, name in self._changes.items() if name is not None and key not in store]:
            self._note(key, None)  # set by this item, saved, and deleted again
        if len(self.recent) > max(RECENT_KEYS, self._floor_keys // 2):
            blob = dumps(self._changes)
            self.floor, self.recent, self._floor_keys = content_hash(blob), {}, len(self._changes)
            blobs[self.floor] = blob
        if blobs:
            self._snapshots.keep(self._scope, blobs, self._retention_s, holder=self._holder)

    def manifest(self) -> dict[str, str]:
        """The manifest of the whole store as it was last saved."""
        merged = {**self._below, **self._changes}
        return {key: name for key, name in merged.items() if name is not None}

    def _hash_of(self, key: str) -> str | None:
        return self._changes[key] if key in self._changes else self._below.get(key)

    def _note(self, key: str, name: str | None) -> None:
        self._changes[key] = self.recent[key] = name
        self._unchanging.pop(key, None)

    def _load(self, name: str) -> Any:
        return loads(self._snapshots.load(self._scope, name))


def changes_in(snapshots: Snapshots, scope: str, floor: str) -> Changes:
    """The changes that the blob *floor* holds.

    Raises:
            BatchLost: Redis does not hold the blob.
            DecodeError: the blob holds something else.
    """
    changes = loads(snapshots.load(scope, floor))
    if type(changes) is not dict:
        raise DecodeError(f"the blob {floor} of {scope} holds no changes of a store")
    return changes
