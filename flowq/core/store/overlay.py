"""Overlay: a copy-on-read store over a base store, which it never changes; it gives one item's changes as a delta."""

from __future__ import annotations

import copy
import reprlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, Self

from pydantic import BaseModel

from flowq.core.store.compare import same
from flowq.core.store.merge import MISSING, Delta, Op, Reducers, diff_value
from flowq.core.store.shared_store import Store
from flowq.errors import CannotTravel

# Immutable types: the same object always has the same value.
UNCHANGING = frozenset({str, bytes, int, float, bool, type(None)})


class NotRead:
    """Placeholder in the dict underneath an overlay for the value of a key that was not read yet.

    Only C code that bypasses a dict's methods sees it: orjson, msgspec, pydantic's serializers, and its validators
    before 2.12. Its ``str`` and ``bool`` raise a TypeError that says what to do instead.
    """

    SENTENCE = "a value of the shared store that was not read: what reads dicts past their methods needs dict(shared)"

    def __repr__(self) -> str:
        return f"<{self.SENTENCE}>"

    def __str__(self) -> str:
        raise TypeError(self.SENTENCE)

    def __bool__(self) -> bool:
        raise TypeError(self.SENTENCE)


NOT_READ = NotRead()


class Base(Protocol):
    """The store underneath an overlay."""

    @property
    def unread(self) -> dict[str, Any]:
        """The keys of the base, each with NOT_READ. They must not change while an overlay uses it."""

    def load(self, key: str) -> Any:
        """The value of *key*: immutable, or a copy nobody else holds. Raises KeyError if the key is missing."""

    def changed(self, key: str, value: Any) -> bool:
        """Whether *value* differs from what :meth:`load` returns for *key*. False positives are allowed."""


class MappingBase:
    """A mapping as a base. Loads deep copies, except of immutable values, and compares values to find changes."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._mapping = mapping

    @cached_property
    def unread(self) -> dict[str, Any]:
        return dict.fromkeys(self._mapping, NOT_READ)

    def load(self, key: str) -> Any:
        if key not in self._mapping:  # a defaultdict would insert the key
            raise KeyError(key)
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


class Overlay(Store, dict[str, Any]):
    """A store that reads from *base* and keeps writes to itself, so that an item sees its own changes only.

    A value is loaded from the base when it is first read; what is never read is never loaded. From then on it belongs
    to this overlay, and :meth:`delta` finds it whether it was changed in place or set anew. Immutable values that were
    only read are not compared.

    It is a dict subclass so that ``isinstance``, ``json`` and ``|`` work as with a plain dict store. The underlying
    dict has every key from the start (``json`` reads its length in C), and the values that were read or set; each dict
    method that could return an unread value is overridden here or in :class:`Store`. A copy, a union or an unpickled
    overlay is a plain dict of its values.

    Args:
        base: the store underneath.
        schema: the parent store's schema, if it has one.
    """

    # Attribute access on a dict subclass takes three times as long without slots.
    __slots__ = ("_base", "_below", "_deleted", "_kept", "_own", "lock", "schema")

    def __init__(self, base: Base, schema: type[BaseModel] | None = None) -> None:
        self.schema, self.lock = schema, threading.RLock()
        self._base = base
        self._below = base.unread
        self._own: dict[str, Any] = {}
        self._kept: dict[str, Callable[[], Any]] = {}
        self._deleted: set[str] = set()
        dict.update(self, self._below)  # CPython clones the dict: cheap even for a store of many keys

    def restore(self, kept: Mapping[str, Callable[[], Any]], deleted: Collection[str]) -> None:
        """Restore the changes of an earlier overlay in a new one. The loaders in *kept* are called on first read."""
        with self.lock:
            self._kept, self._deleted = dict(kept), set(deleted)
            for key in self._deleted:
                dict.pop(self, key, None)
            dict.update(self, dict.fromkeys(self._kept, NOT_READ))

    def own(self) -> dict[str, Any]:
        """The values that were set, or were read and may have changed; without restored ones that were not read."""
        with self.lock:
            return dict(self._own)

    def deleted(self) -> set[str]:
        """Keys of the base that were deleted in this overlay."""
        with self.lock:
            return set(self._deleted)

    def delta(self, index: int, reducers: Reducers) -> Delta:
        """The changes that item *index* made.

        Raises:
            ValueError: a change that the key's reducer cannot express.
        """
        with self.lock:
            if self._kept:
                for key in list(self._kept):
                    self[key]
                self._own = {key: self._own[key] for key in self if key in self._own}  # restored keys were set first
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

    # -- one key ---------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        value = dict.get(self, key, MISSING)
        if value is not NOT_READ and value is not MISSING:
            return value
        with self.lock:
            there = dict.get(self, key, MISSING)
            if there is not NOT_READ and there is not MISSING:
                return there  # another thread has loaded it meanwhile
            if there is MISSING and key in self._deleted:
                raise KeyError(key)
            if key in self._kept:
                value = self._own[key] = self._kept[key]()
                del self._kept[key]
            else:
                value = self._base.load(key)
                if type(value) not in UNCHANGING:
                    self._own[key] = value
            dict.__setitem__(self, key, value)
            return value

    def __setitem__(self, key: str, value: Any) -> None:
        value = self.checked(key, value)
        with self.lock:
            dict.__setitem__(self, key, value)
            self._own[key] = value
            self._kept.pop(key, None)
            self._deleted.discard(key)

    def __delitem__(self, key: str) -> None:
        with self.lock:
            dict.__delitem__(self, key)
            self._own.pop(key, None)
            self._kept.pop(key, None)
            if key in self._below:
                self._deleted.add(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key)

    # -- all keys --------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[str]:
        # Over a copy, as in SharedStore. Overriding it also keeps C code from treating this as a plain dict.
        return iter(list(dict.keys(self)))

    def __reversed__(self) -> Iterator[str]:
        return iter(list(dict.__reversed__(self)))

    def __len__(self) -> int:
        return dict.__len__(self)

    def __ne__(self, other: object) -> bool:
        return not self == other

    @reprlib.recursive_repr("{...}")
    def __repr__(self) -> str:
        return repr(self.snapshot())

    # -- what is made of it ----------------------------------------------------------------------------------------

    def copy(self) -> dict[str, Any]:
        """A plain dict with all keys; the values are the store's own, not copies."""
        return self.snapshot()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        twin: dict[str, Any] = {}
        memo[id(self)] = twin  # it may contain itself
        twin.update(copy.deepcopy(self.snapshot(), memo))
        return twin

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (self.snapshot(),)

    def __or__(self, other: Any) -> Any:
        return self.snapshot() | other if isinstance(other, dict) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return other | self.snapshot() if isinstance(other, dict) else NotImplemented

    def __ior__(self, other: Any) -> Self:  # type: ignore[override]
        self.update(other)
        return self

    @classmethod
    def fromkeys(cls, keys: Iterable[Any], value: Any = None) -> dict[Any, Any]:
        """A plain dict, as ``dict.fromkeys`` makes it."""
        return dict.fromkeys(keys, value)
