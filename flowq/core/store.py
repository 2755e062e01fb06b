"""The shared store of a run, when it is more than a dict: typed reads, a lock, a schema. Never where it is kept."""

from __future__ import annotations

import copy
import threading
from abc import abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Self

from pydantic import BaseModel

from flowq.core.reducers import Reducer
from flowq.core.schema import schema_of
from flowq.core.typed_reads import TypedReads


class Store(TypedReads, MutableMapping[str, Any]):
    """What every store of flowq has in common: :class:`SharedStore` and the overlays that batch items work on.

    Attributes:
        schema: a pydantic model; see :class:`SharedStore`.
        lock: held for several operations together.
    """

    __slots__ = ()

    schema: type[BaseModel] | None
    lock: threading.RLock

    # Stated again: the getters' own declaration comes first among the bases.
    @abstractmethod
    def __getitem__(self, key: str) -> Any: ...

    @abstractmethod
    def __reversed__(self) -> Iterator[str]: ...

    def reducers(self) -> dict[str, Reducer]:
        """How the changes of many items to one key are put together, by key; from the schema's ``Annotated[...]``."""
        return {} if self.schema is None else dict(schema_of(self.schema).reducers)

    def merge(self, mapping: Mapping[str, Any]) -> None:
        """Set every key of *mapping*, under one hold of the lock."""
        self.update(mapping)

    # Stated again, under the lock: the mixin's are a read and then a write, and another thread comes between.

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of *key*, which is set to *default* if it is missing; of a schema's key that is a copy of it."""
        with self.lock:
            super().setdefault(key, default)
            return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove *key* and return its value; *default*, if given, where it is missing."""
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
            for key in self:  # the mixin's reads what it removes
                del self[key]

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several keys; no other thread sees only some of them, if it reads by :meth:`snapshot`."""
        with self.lock:
            super().update(*args, **kwargs)

    def snapshot(self) -> dict[str, Any]:
        """The keys and values of this moment as a dict; the values are the store's own, not copies."""
        with self.lock:
            return {key: self[key] for key in self}

    def checked(self, key: str, value: Any) -> Any:
        """*value* as the schema has it."""
        return value if self.schema is None else schema_of(self.schema).checked(key, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.snapshot()!r})"


class SharedStore(Store):
    """A dict that several threads may use, with typed reads and, on demand, a schema. A plain dict does as well.

    Single operations are atomic. For several together, hold ``store.lock``:
    ``with store.lock: store["n"] += 1``.

    Args:
        data: what the store holds at first; copied, its values are not.
        schema: a pydantic model whose fields are the keys. A value is validated as it is set, which may convert it and
            copies lists and dicts; fields with a default are there from the start. Keys that are no field are free,
            unless the model forbids extras. ``Annotated[list[int], flowq.Append]`` gives a key its reducer.

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
        """A store with values and a lock of its own. (A lock cannot be copied.)"""
        twin = memo[id(self)] = object.__new__(type(self))
        with self.lock:
            for name, value in vars(self).items():
                setattr(twin, name, threading.RLock() if value is self.lock else copy.deepcopy(value, memo))
        return twin

    def __contains__(self, key: object) -> bool:
        return key in self._data
