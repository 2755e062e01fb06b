"""The shared store of a run, if it is more than a dict: typed reads, a lock, a schema."""

from __future__ import annotations

import copy
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

from pydantic import BaseModel

from flowq.core.store.reducers import Reducer
from flowq.core.store.schema import schema_of
from flowq.core.store.typed_reads import TypedReads


class Store(TypedReads, MutableMapping[str, Any]):
    """Base class of flowq's stores: :class:`SharedStore`, and the overlays that the items of a batch work on.

    Attributes:
        schema: a pydantic model; see :class:`SharedStore`.
        lock: hold it to make several operations atomic.
    """

    __slots__ = ()

    schema: type[BaseModel] | None
    lock: threading.RLock

    # Declared again: TypedReads, which declares it too, comes before MutableMapping in the bases.
    @abstractmethod
    def __getitem__(self, key: str) -> Any: ...

    @abstractmethod
    def __reversed__(self) -> Iterator[str]: ...

    def reducers(self) -> dict[str, Reducer]:
        """The reducers of the schema's ``Annotated[...]`` fields, by key."""
        return {} if self.schema is None else dict(schema_of(self.schema).reducers)

    def merge(self, mapping: Mapping[str, Any]) -> None:
        """Set every key of *mapping* while holding the lock."""
        self.update(mapping)

    # Overridden to hold the lock: the mixin's versions read and then write, and another thread could come in between.

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return the value of *key*, set to *default* if missing; with a schema that may be a copy of *default*."""
        with self.lock:
            super().setdefault(key, default)
            return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove *key* and return its value, or *default*, if given, when it is missing."""
        with self.lock:
            return super().pop(key, *default)

    def popitem(self) -> tuple[str, Any]:
        """Remove the key that was set last and return it with its value, as a dict does."""
        with self.lock:
            for key in reversed(self):
                return key, self.pop(key)
            raise KeyError("popitem(): the store is empty")

    def clear(self) -> None:
        """Remove every key."""
        with self.lock:
            for key in self:  # the mixin's clear() reads every value it removes
                del self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several keys; a thread that reads with :meth:`snapshot` sees all of them or none."""
        with self.lock:
            super().update(*args, **kwargs)

    def snapshot(self) -> dict[str, Any]:
        """The current keys and values as a dict; the values are the store's own, not copies."""
        with self.lock:
            return {key: self[key] for key in self}

    def checked(self, key: str, value: Any) -> Any:
        """*value*, validated and converted by the schema if there is one."""
        return value if self.schema is None else schema_of(self.schema).checked(key, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.snapshot()!r})"


class SharedStore(Store):
    """A dict that several threads may use, with typed reads and an optional schema. Flows accept a plain dict as well.

    Single operations are atomic. For several together, hold ``store.lock``:
    ``with store.lock: store["n"] += 1``.

    Args:
        data: the initial contents; a shallow copy is made.
        schema: a pydantic model whose fields are the keys. A value is validated as it is set, which may convert it and
            copies lists and dicts; fields with a default are set from the start. Other keys are allowed, unless the
            model forbids extras. ``Annotated[list[int], flowq.Append]`` gives a key its reducer.

    Raises:
        pydantic.ValidationError: a value does not fit the schema.
        KeyError: a key that the schema forbids.
        TypeError: *data* is no dict.
    """

    def __init__(self, data: Mapping[str, Any] | None = None, schema: type[BaseModel] | None = None) -> None:
        self.schema, self.lock = schema, threading.RLock()
        self._data: dict[str, Any] = {}
        if schema is not None:
            self._data.update(schema_of(schema).defaults())
        try:
            given = dict({} if data is None else data)
        except (TypeError, ValueError):
            raise TypeError(f"a SharedStore begins with what is in a dict, not {data!r:.200}") from None
        self.merge(given)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        value = self.checked(key, value)
        with self.lock:
            self._data[key] = value

    def __delitem__(self, key: str) -> None:
        with self.lock:
            del self._data[key]

    def __iter__(self) -> Iterator[str]:
        # Over a copy: another thread may set keys meanwhile.
        with self.lock:
            return iter(list(self._data))

    def __reversed__(self) -> Iterator[str]:
        with self.lock:
            return iter(list(reversed(self._data)))

    def __len__(self) -> int:
        return len(self._data)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A store with copies of the values and a new lock. (A lock cannot be copied.)"""
        twin = memo[id(self)] = object.__new__(type(self))
        with self.lock:
            for name, value in vars(self).items():
                setattr(twin, name, threading.RLock() if value is self.lock else copy.deepcopy(value, memo))
        return twin

    def __contains__(self, key: object) -> bool:
        return key in self._data
