"""An overlay: a store on top of another one, which it reads and never changes. Never how a delta is put together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Protocol

from pydantic import BaseModel

from flowq.core.compare import same
from flowq.core.merge import MISSING, Delta, Op, Reducers, diff_value
from flowq.core.store import Store
from flowq.errors import CannotTravel

# Nothing changes these in place: the same object is the same value.
UNCHANGING = frozenset({str, bytes, int, float, bool, type(None)})


class Base(Protocol):
    """What an overlay lies on."""

    def keys(self) -> Collection[str]:
        """The keys there are; the same ones as long as an overlay lies on it."""

    def load(self, key: str) -> Any:
        """A value of *key* that nobody else holds, or that nobody can change. Raises KeyError if there is none."""

    def changed(self, key: str, value: Any) -> bool:
        """Whether *value* is no longer what :meth:`load` gives for *key*. May say yes too often."""


class MappingBase:
    """A mapping as a base: values other than texts, numbers and None are deep copies, and compared."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._mapping = mapping

    def keys(self) -> Collection[str]:
        return self._mapping.keys()

    def load(self, key: str) -> Any:
        value = self._mapping[key]
        if type(value) in UNCHANGING:
            return value
        try:
            return copy.deepcopy(value)
        except Exception as exc:  # a lock, a socket, a client that holds one
            raise CannotTravel(
                f"shared[{key!r}]",
                f"each item works on its own copy, and {type(value).__name__} cannot be copied ({exc}). "
                "Make it in exec or setup instead of keeping it in the store.",
            ) from exc

    def changed(self, key: str, value: Any) -> bool:
        return not same(self._mapping[key], value)


class Overlay(Store):
    """A store that reads from *base* and keeps what is written, so that one item sees its own changes and no other's.

    A key is loaded when it is first read. It is this overlay's own from then on: changed in place or set anew,
    :meth:`delta` finds it. Only a text, a number or None that was read and not set is not looked at again.
    What is never read is never loaded.

    Args:
        base: what lies below.
        schema: the parent store's schema, if it has one.
    """

    def __init__(self, base: Base, schema: type[BaseModel] | None = None) -> None:
        super().__init__(schema)
        self._base = base
        self._below = base.keys()
        self._own: dict[str, Any] = {}
        self._as_below: dict[str, Any] = {}  # read, and not to be changed in place: no change unless it is set
        self._kept: dict[str, Callable[[], Any]] = {}
        self._deleted: set[str] = set()

    def restore(self, kept: Mapping[str, Callable[[], Any]], deleted: Collection[str]) -> None:
        """Bring a fresh overlay to where another one stood: its changes as loaders, called when first read."""
        with self.lock:
            self._kept, self._deleted = dict(kept), set(deleted)

    def own(self) -> dict[str, Any]:
        """What was written here, or was read and may have been changed; without what was restored and not read."""
        with self.lock:
            return dict(self._own)

    def deleted(self) -> set[str]:
        """Keys of the base that are deleted here."""
        with self.lock:
            return set(self._deleted)

    def delta(self, index: int, reducers: Reducers) -> Delta:
        """What item *index* changed.

        Raises:
            ValueError: a change that the key's reducer cannot express.
        """
        with self.lock:
            for key in list(self._kept):
                self[key]
            ops = {key: self._op(key, value, index, reducers) for key, value in self._own.items()}
            changes: Delta = {key: op for key, op in ops.items() if op is not None}
            changes.update((key, ("del", None, index)) for key in self._deleted)
            return changes

    def _op(self, key: str, value: Any, index: int, reducers: Reducers) -> Op | None:
        if key not in self._below:
            base: Any = MISSING
        elif self._base.changed(key, value):
            base = self._base.load(key)
        else:
            return None
        try:
            return diff_value(base, value, index, reducers.get(key))
        except Exception as exc:
            exc.add_note(f"in shared[{key!r}] as item {index} left it")
            raise

    def __getitem__(self, key: str) -> Any:
        with self.lock:
            if key in self._own:
                return self._own[key]
            if key in self._as_below:
                return self._as_below[key]
            if key in self._deleted:
                raise KeyError(key)
            kept = self._kept.pop(key, None)
            value = self._base.load(key) if kept is None else kept()
            if kept is None and type(value) in UNCHANGING and key in self._below:
                self._as_below[key] = value
            else:
                self._own[key] = value
            return value

    def __setitem__(self, key: str, value: Any) -> None:
        value = self.checked(key, value)
        with self.lock:
            self._own[key] = value
            self._as_below.pop(key, None)
            self._kept.pop(key, None)
            self._deleted.discard(key)

    def __delitem__(self, key: str) -> None:
        with self.lock:
            if key not in self:
                raise KeyError(key)
            self._own.pop(key, None)
            self._as_below.pop(key, None)
            self._kept.pop(key, None)
            if key in self._below:
                self._deleted.add(key)

    def __iter__(self) -> Iterator[str]:
        with self.lock:
            below = [key for key in self._below if key not in self._deleted]
            return iter(below + [key for key in [*self._kept, *self._own] if key not in self._below])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, key: object) -> bool:
        with self.lock:
            return key in self._own or key in self._kept or (key in self._below and key not in self._deleted)
