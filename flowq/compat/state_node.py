"""Nodes with one method, ``execute(state, config?, runtime?)``, which returns a dict of updates to the store.

They are flowq nodes, wired with ``>>``.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from flowq import core
from flowq.core.callables import in_loop, is_async
from flowq.core.context import ItemContext
from flowq.core.store.reducers import MISSING

_MAY_ASK = ("config", "runtime")


class State(Mapping[str, Any]):
    """A copy of the store for ``execute``: values by key and as attributes. Setting them does not change the store."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    def __getitem__(self, key: str) -> Any:
        return vars(self)[key]

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))

    def __repr__(self) -> str:
        return f"State({vars(self)!r})"


class _StateNode(core.Node[Any, Any]):
    """Base of the sync and the async kind; see :class:`BaseNode`."""

    _asks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, verbose: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.verbose = verbose

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__ != __name__:
            cls._asks = _checked(cls, must_await=issubclass(cls, AsyncBaseNode))

    @in_loop
    def prep(self, shared: Any, /, *args: Any, **kwargs: Any) -> State:
        """Return the current state."""
        return State(shared)

    @in_loop
    def post(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> None:
        """Merge the updates: with the key's reducer if the store's schema has one, else by replacing the value."""
        reducers = shared.reducers() if hasattr(shared, "reducers") else {}
        for key, value in exec_res.items():
            shared[key] = reducers[key](shared.get(key, MISSING), value) if key in reducers else value

    def log(self, msg: str, *, level: int = logging.INFO, **fields: Any) -> None:
        """Log *msg* to ``flowq.node`` if the node is ``verbose``."""
        if self.verbose:
            super().log(msg, level=level, **fields)

    @staticmethod
    def get_thread_id(config: Mapping[str, Any] | None) -> Any:
        """``config["configurable"]["thread_id"]``; None if missing."""
        return (config or {}).get("configurable", {}).get("thread_id")

    @staticmethod
    def get_tags(config: Mapping[str, Any] | None) -> list[Any]:
        """``config["tags"]`` as a list; empty if missing."""
        return list((config or {}).get("tags", ()))

    def _executed(self, state: Any, config: Mapping[str, Any] | None, runtime: Any) -> Any:
        """Call ``execute`` with the parameters it declares."""
        given = {"config": self.config if config is None else config, "runtime": runtime}
        execute: Any = self.execute  # type: ignore[attr-defined]
        return execute(state, **{name: given[name] for name in self._asks})

    def _updates(self, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise TypeError(f"{type(self).__name__}.execute returned {type(answer).__name__}: return a dict of updates")
        return answer


class BaseNode(_StateNode):
    """A node whose ``execute(self, state)`` returns a dict of updates.

    ``execute`` may also declare ``config`` (the node's ``config=``) and ``runtime`` (the call's
    :class:`~flowq.ItemContext`), by these names. *state* is a :class:`State`. Takes the arguments of ``flowq.Node``,
    and ``verbose=True``, without which ``self.log`` does nothing.

    Raises:
        TypeError: at class creation: ``execute`` is missing, has other parameters, or is ``async def``.
    """

    def exec(self, state: Any, /, *, ctx: ItemContext) -> dict[str, Any]:
        """Call ``execute`` with the parameters it declares; checks its return value."""
        return self._updates(self._executed(state, ctx.config, ctx))

    def __call__(self, state: Any, config: Mapping[str, Any] | None = None, runtime: Any = None) -> dict[str, Any]:
        """``execute`` alone, without tries."""
        return self._updates(self._executed(state, config, runtime))


class AsyncBaseNode(_StateNode):
    """A :class:`BaseNode` whose ``execute`` is ``async def``."""

    async def exec(self, state: Any, /, *, ctx: ItemContext) -> dict[str, Any]:
        """Call ``execute`` with the parameters it declares; checks its return value."""
        return self._updates(await self._executed(state, ctx.config, ctx))

    async def __call__(
        self, state: Any, config: Mapping[str, Any] | None = None, runtime: Any = None
    ) -> dict[str, Any]:
        """``execute`` alone, without tries."""
        return self._updates(await self._executed(state, config, runtime))


def _checked(cls: type[_StateNode], *, must_await: bool) -> tuple[str, ...]:
    """The parameters of ``execute`` of *cls* besides the state; raises TypeError if it is not valid."""
    execute = getattr(cls, "execute", None)
    if execute is None:
        raise TypeError(f"{cls.__name__} must define execute(self, state)")
    if is_async(execute) != must_await:
        wanted = "`async def execute`" if must_await else "a plain `def execute`; an async one takes an AsyncBaseNode"
        raise TypeError(f"{cls.__name__} needs {wanted}")
    names = list(inspect.signature(execute).parameters)
    if names[:2] != ["self", "state"]:
        raise TypeError(f"{cls.__name__}.execute takes (self, state, ...), not ({', '.join(names)})")
    unknown = [name for name in names[2:] if name not in _MAY_ASK]
    if unknown:
        raise TypeError(f"{cls.__name__}.execute asks for {unknown[0]!r}; it may ask for config and runtime")
    return tuple(names[2:])
