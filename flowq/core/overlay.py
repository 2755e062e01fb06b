"""An overlay: a store on top of another one, which it reads and never changes. Never how a delta is put together."""

from __future__ import annotations

import copy
import reprlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, Self

from pydantic import BaseModel

from flowq.core.compare import same
from flowq.core.merge import MISSING, Delta, Op, Reducers, diff_value
from flowq.core.store import Store
from flowq.errors import CannotTravel

# Nothing changes these in place: the same object is the same value.
UNCHANGING = frozenset({str, bytes, int, float, bool, type(None)})


class NotRead:
    """What the dict below an overlay holds of a key that nobody has read yet.

    Only C code that reads a dict past its methods comes upon it: orjson, msgspec, pydantic's serializers, and its
    validators before 2.12. It is of no use as anything, and says what to do instead.
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
    """What an overlay lies on."""

    @property
    def unread(self) -> dict[str, Any]:
        """The keys there are, each with NOT_READ; the same ones as long as an overlay lies on it."""

    def load(self, key: str) -> Any:
        """A value of *key* that nobody else holds, or that nobody can change. Raises KeyError if there is none."""

    def changed(self, key: str, value: Any) -> bool:
        """Whether *value* is no longer what :meth:`load` gives for *key*. May say yes too often."""


class MappingBase:
    """A mapping as a base: values other than texts, numbers and None are deep copies, and compared."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._mapping = mapping

    @cached_property
    def unread(self) -> dict[str, Any]:
        return dict.fromkeys(self._mapping, NOT_READ)

    def load(self, key: str) -> Any:
        if key not in self._mapping:  # a defaultdict would make one up, here alone
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
    """A store that reads from *base* and keeps what is written, so that one item sees its own changes and no other's.

    A key is loaded when it is first read. It is this overlay's own from then on: changed in place or set anew,
    :meth:`delta` finds it. Only a text, a number or None that was read and not set is not looked at again.
    What is never read is never loaded.

    It is a dict, since a store that is a dict in one process is to be one everywhere: for ``isinstance``, for ``json``,
    for ``|``. The dict below has every key from the start (``json`` asks C for its length), and the values that were
    read or set; each method of dict's that could give away one that was not is defined here or in :class:`Store`. What
    is made of it – a copy, a union, an unpickled one – is a plain dict of its values.

    Args:
        base: what lies below.
        schema: the parent store's schema, if it has one.
    """

    # Attributes of a dict's subclass cost three times as much without.
    __slots__ = ("_base", "_below", "_deleted", "_kept", "_own", "lock", "schema")

    def __init__(self, base: Base, schema: type[BaseModel] | None = None) -> None:
        self.schema, self.lock = schema, threading.RLock()
        self._base = base
        self._below = base.unread
        self._own: dict[str, Any] = {}
        self._kept: dict[str, Callable[[], Any]] = {}
        self._deleted: set[str] = set()
        dict.update(self, self._below)  # which clones it: a store of many keys costs an item next to nothing

    def restore(self, kept: Mapping[str, Callable[[], Any]], deleted: Collection[str]) -> None:
        """Bring a fresh overlay to where another one stood: its changes as loaders, called when first read."""
        with self.lock:
            self._kept, self._deleted = dict(kept), set(deleted)
            for key in self._deleted:
                dict.pop(self, key, None)
            dict.update(self, dict.fromkeys(self._kept, NOT_READ))

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
            if self._kept:
                for key in list(self._kept):
                    self[key]
                self._own = {key: self._own[key] for key in self if key in self._own}  # what was kept was set first
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
                return there  # another thread has loaded it
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
        # Over a copy, as a SharedStore's. It also keeps C code from taking this for a dict without methods of its own.
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
        """A dict of its own with all keys; the values are the store's own, not copies."""
        return self.snapshot()

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        twin: dict[str, Any] = {}
        memo[id(self)] = twin  # it may hold itself
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
