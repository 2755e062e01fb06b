"""Hooks: observers of runs, and the events they are called with. They cannot change what runs."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, TypeAlias, cast, get_args

from pydantic import BaseModel

from flowq.core.context import current_context
from flowq.registry import register

log = logging.getLogger("flowq.hooks")

Kind = Literal[
    "run_start", "run_end", "run_error",
    "node_start", "node_end", "node_error", "node_retry",
    "item_start", "item_end", "item_error", "item_retry",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run. Fields that do not apply are None.

    Attributes:
        kind: what happened: "run_", "node_" or "item_", and "start", "end", "error" or (not of a run) "retry".
        node: name of the node; for the events of a run, of the node or flow that ``run`` was called on.
        path: path of the node from the outermost flow that has hooks: ``"Outer/Parse"``, see ``flow.paths()``.
        at: when, in seconds since the epoch.
        action: the action that a node or a run ended with.
        result: the value an item ended with.
        error: the exception of a failed try, node, item or run.
        attempt: number of the try, from 0: the failed one for a retry, the last one for an end.
        delay_s: seconds until the next try.
        seconds: duration, waits included; for an item that of its last try.
        item_index: place of the item in its batch; also for nodes that run within an item of a batch flow.
        item_key: the item's key, if it has one.
        run_id: the durable run it belongs to.
        worker: name of the worker that ran the item, "" for this process.
    """

    kind: Kind
    node: str
    path: str
    at: float
    action: Any = None
    result: Any = None
    error: BaseException | None = None
    attempt: int | None = None
    delay_s: float | None = None
    seconds: float | None = None
    item_index: int | None = None
    item_key: Any = None
    run_id: str | None = None
    worker: str = ""


class Hook:
    """Base class of hooks: override the methods for the events you want; the others cost nothing.

    A hook is sent to the workers with the batch nodes it watches, and is called there for their items, in the process
    that runs them. A dataclass or a pydantic model is sent with its fields; any other hook without instance attributes
    is made anew from its class, without arguments. A hook with other state stays in this process and sees only the
    events of this process.

    Methods are plain functions that should return quickly. An exception they raise is logged and has no other effect.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for kind in KINDS:
            if inspect.iscoroutinefunction(getattr(cls, f"on_{kind}")):
                raise TypeError(f"{cls.__name__}.on_{kind} is async: a hook is told, and nobody waits for it")
        register(cls)

    def on_run_start(self, event: Event) -> None:
        """``run`` or ``run_async`` of a node or flow has been called."""

    def on_run_end(self, event: Event) -> None:
        """The run has ended without an error."""

    def on_run_error(self, event: Event) -> None:
        """The run has raised an error."""

    def on_node_start(self, event: Event) -> None:
        """A flow begins to visit a node."""

    def on_node_end(self, event: Event) -> None:
        """The node has returned its action."""

    def on_node_error(self, event: Event) -> None:
        """The node has failed; no further try follows."""

    def on_node_retry(self, event: Event) -> None:
        """A try has failed; another one follows after ``delay_s``."""

    def on_item_start(self, event: Event) -> None:
        """The first try of a batch's item begins. After the loss of a worker it may begin again on another one."""

    def on_item_end(self, event: Event) -> None:
        """An item has its value, from ``exec`` or, if ``error`` is set, from ``exec_fallback``."""

    def on_item_error(self, event: Event) -> None:
        """An item has failed; no further try follows."""

    def on_item_retry(self, event: Event) -> None:
        """A try of an item has failed; another one follows after ``delay_s``, maybe in another process."""


AnyHook: TypeAlias = Hook | type[Hook] | Callable[[Event], object]


class Listeners:
    """An immutable set of hooks for one node, with their methods by kind of event.

    Attributes:
        hooks: the hooks, in the order they were given.
        path: path of the node they watch.
    """

    __slots__ = ("_told", "hooks", "path")

    def __init__(self, hooks: Sequence[Hook], path: str = "") -> None:
        self.hooks = tuple(hooks)
        self.path = path
        overridden = {
            kind: [getattr(hook, f"on_{kind}") for hook in hooks if _overrides(hook, f"on_{kind}")] for kind in KINDS
        }
        self._told: dict[str, list[Callable[[Event], object]]] = {kind: fns for kind, fns in overridden.items() if fns}

    def at(self, path: str, more: Sequence[Hook] = ()) -> Listeners:
        """Listeners of these hooks and *more*, for the node at *path*."""
        if more:
            return Listeners([*self.hooks, *(one for one in more if one not in self.hooks)], path)
        same = object.__new__(Listeners)
        same.hooks, same.path, same._told = self.hooks, path, self._told
        return same

    def want(self, prefix: Literal["run", "node", "item"]) -> bool:
        """Whether any hook overrides a method for events of this kind: runs, nodes or items."""
        return any(kind.startswith(prefix) for kind in self._told)

    @contextmanager
    def span(self, what: Literal["run", "node"], node: str, *, continues: bool = False) -> Iterator[dict[str, Any]]:
        """Emit the start event, and at the end of the block the end or the error event.

        Yields a dict that takes further fields of the end event. *continues*: a resumed visit, whose start event was
        emitted before it was left.
        """
        began = perf_counter()
        ended: dict[str, Any] = {}
        if not continues:
            self.tell(f"{what}_start", node)
        try:
            yield ended
        except Exception as exc:
            self.tell(f"{what}_error", node, error=exc, seconds=perf_counter() - began)
            raise
        self.tell(f"{what}_end", node, seconds=perf_counter() - began, **ended)

    def tell(self, kind: str, node: str, **fields: Any) -> None:
        """Call the hooks that override the method for *kind*; *fields* are those of the event."""
        methods = self._told.get(kind)
        if methods is None:
            return
        ctx = current_context()
        if ctx is not None:
            fields = {"item_index": ctx.item_index, "item_key": ctx.item_key, "run_id": ctx.run_id, **fields}
        event = Event(cast(Kind, kind), node, self.path or node, time.time(), **fields)
        for method in methods:
            try:
                method(event)
            except Exception:
                log.exception("a hook failed", extra={"hook": repr(method), "event": kind, "node": node})


class Told(Hook):
    """A hook that calls one function with every event. It stays in this process."""

    def __init__(self, fn: Callable[[Event], object]) -> None:
        for kind in KINDS:
            setattr(self, f"on_{kind}", fn)


def as_hooks(given: Iterable[AnyHook] | None) -> tuple[Hook, ...]:
    """*given* as hooks: an instance as it is, a class instantiated, a function wrapped in ``Told``.

    Raises:
        TypeError: *given* is not a list, or holds something else.
    """
    if isinstance(given, Hook) or (isinstance(given, type) and issubclass(given, Hook)):
        raise TypeError("hooks is a list: hooks=[hook]")
    if given is not None and not isinstance(given, Iterable):
        raise TypeError(f"hooks is a list: hooks=[{getattr(given, '__name__', 'hook')}]")
    return tuple(_as_hook(one) for one in given or ())


def travelling(hooks: Iterable[Hook]) -> list[Any]:
    """Those of *hooks* that are sent to workers: dataclass and pydantic instances, and classes of stateless hooks."""
    found: list[Any] = []
    for hook in hooks:
        if dataclasses.is_dataclass(hook) or isinstance(hook, BaseModel):
            found.append(hook)
        elif not vars(hook):
            found.append(type(hook))
    return found


def _as_hook(given: Any) -> Hook:
    if isinstance(given, Hook):
        return given
    if isinstance(given, type) and issubclass(given, Hook):
        return given()
    if not callable(given) or inspect.iscoroutinefunction(given):
        raise TypeError(f"a hook is a flowq.Hook, or a plain function of an event, not {given!r:.100}")
    return Told(given)


def _overrides(hook: Hook, name: str) -> bool:
    return name in vars(hook) or getattr(type(hook), name) is not getattr(Hook, name)
