"""LifeCycle: the calls of a visit to a node – prep, tries, fallback, post – as steps for a driver to make.

What users override is node.py, the walk over nodes walks/flow.py.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from flowq.core.actions import checked_action
from flowq.core.callables import facts, function_of, is_async, wants_ctx
from flowq.core.context import NO_CONFIG, ItemContext, current_context, enter_context
from flowq.core.drive import Call, Steps, bounded, pause
from flowq.core.hooks import Listeners
from flowq.core.notes import add_failure_note, add_visit_note
from flowq.core.streamed import whole


class LifeCycle:
    """Base class of Node: what a visit calls, in which order, and what happens when a call fails."""

    phases: ClassVar[tuple[str, str, str, str]] = ("prep", "exec", "exec_fallback", "post")
    """The names of the four methods. Compatibility classes use those of the other system."""

    gathers: ClassVar[bool] = True
    """Whether ``gather`` consumes what a generator ``exec`` yields."""

    coroutines: ClassVar[frozenset[Any]] = frozenset()
    """Those of the four methods that are coroutine functions."""

    # Class-level defaults, so that a dataclass, or an __init__ without super().__init__(), still makes a complete node.
    timeout: float | None = None
    config: Mapping[str, Any] = NO_CONFIG
    # The hooks for events of this node, those of the flows around it included.
    _listeners: Listeners | None = None
    # Tries made before a resumed visit; set on the copy of the node that the visit runs.
    tries_before: int = 0

    _asks_ctx: ClassVar[bool] = False
    _yields: ClassVar[Literal["", "sync", "async"]] = ""
    # The four methods at class creation, and whether any is async: cached, as every run needs it.
    _phases_of: ClassVar[Callable[[Any], tuple[Any, ...]]]
    _known_functions: ClassVar[tuple[Any, ...]] = ()
    _known_async: ClassVar[bool] = False
    # Node's own exec_fallback, which only raises.
    _no_fallback: ClassVar[Callable[..., Any]]

    if TYPE_CHECKING:  # defined in Node

        @property
        def name(self) -> str: ...

        def gather(self, stream: Any) -> Any: ...

        def retry_delay(self, exc: Exception, attempt: int) -> float | None: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._yields = facts(getattr(cls, cls.phases[1])).streams
        cls._asks_ctx = any(wants_ctx(getattr(cls, method)) for method in cls.phases)
        cls._phases_of = operator.attrgetter(*cls.phases)
        functions = cls._phases_of(cls)
        cls._known_functions, cls._known_async = functions, any(is_async(one) for one in functions)
        cls.coroutines = frozenset(one for one in functions if inspect.iscoroutinefunction(one))

    def step(self, shared: Any) -> Steps[str | None]:
        """A :meth:`visit` within a walk: emits the node events and adds a note that names this node to an exception."""
        try:
            action: str | None = yield from self.told("node", self.visit(shared))
        except Exception as error:
            add_visit_note(error, self.name)
            raise
        return action

    def told(self, what: Literal["run", "node"], steps: Steps[Any]) -> Steps[Any]:
        """*steps*, with start and end events for the hooks."""
        return steps if self._listeners is None else self._telling(self._listeners, what, steps)

    def _telling(self, listeners: Listeners, what: Literal["run", "node"], steps: Steps[Any]) -> Steps[Any]:
        with listeners.span(what, self.name, continues=what == "node" and self.continues()) as ended:
            action = ended["action"] = yield from steps
        return action

    def continues(self) -> bool:
        """Whether this visit continues one that was left to wait."""
        return False

    def visit(self, shared: Any) -> Steps[str | None]:
        """The steps of a visit: ``prep``, :meth:`perform`, ``post``. Returns the action."""
        prep_res = yield self.phase(0), (shared,)
        exec_res = yield from self.perform(shared, prep_res)
        action = yield self.phase(3), (shared, prep_res, exec_res)
        return action if action is None or action.__class__ is str else checked_action(action, self.name)

    def perform(self, shared: Any, prep_res: Any) -> Steps[Any]:
        """The tries of ``exec``, the waits between them, and the fallback. Returns ``exec_res`` for ``post``."""
        outer = current_context()
        attempt = self.tries_before
        while True:
            ctx: ItemContext | None = None
            # The first try of a node that does not declare ctx needs no context, unless there is an outer one.
            if attempt or self._asks_ctx or outer is not None:
                ctx = self._context(outer, attempt)
                enter_context(ctx)
            try:
                return (yield self.one_try(shared, prep_res, ctx))
            except Exception as exc:
                delay_s = self.retry_delay(exc, attempt)
                if delay_s is None:
                    if function_of(self.phase(2)) is type(self)._no_fallback:  # it would only raise exc again
                        self._note_failure(exc, attempt)
                        raise
                    return (yield from self._fall_back(prep_res, exc, ctx, attempt))
                if ctx is not None:
                    ctx.failed = True
                if self._listeners is not None:
                    self._listeners.tell("node_retry", self.name, error=exc, attempt=attempt, delay_s=delay_s)
            finally:
                # Compared first: a generator that is dropped may be closed in another context.
                if ctx is not None and current_context() is ctx:
                    enter_context(outer)
            if delay_s > 0:
                yield pause, (delay_s,)
            attempt += 1

    def one_try(self, shared: Any, prep_res: Any, ctx: ItemContext | None) -> Call:
        """The call that makes one try."""
        body = self.phase(1, ctx)
        if self._yields and self.gathers:
            body = whole(body, self.gather)
        return (body, (prep_res,)) if self.timeout is None else (bounded, (self.timeout, body, (prep_res,)))

    def _fall_back(self, prep_res: Any, exc: Exception, ctx: ItemContext | None, attempt: int) -> Steps[Any]:
        try:
            return (yield self.phase(2, ctx), (prep_res, exc))
        except Exception as error:
            self._note_failure(error, attempt)
            raise

    def _note_failure(self, error: Exception, attempt: int) -> None:
        ctx = current_context()
        item_index = None if ctx is None else ctx.item_index
        add_failure_note(error, node=self.name, attempts=attempt + 1, item_index=item_index)

    def phase(self, number: int, ctx: ItemContext | None = None) -> Callable[..., Any]:
        """The method at index *number* of :attr:`phases`, bound to *ctx* if it declares one (None: a new context)."""
        method: Callable[..., Any] = getattr(self, self.phases[number])
        if not self._asks_ctx or not wants_ctx(method):
            return method
        return functools.partial(method, ctx=ctx or self._context(current_context(), attempt=0))

    def _context(self, outer: ItemContext | None, attempt: int) -> ItemContext:
        if outer is not None:
            return outer.derive(self.name, self.config, attempt)
        return ItemContext(attempt=attempt, config=self.config, node=self.name)

    def has_async(self) -> bool:
        """Whether running this needs an event loop: any of the four methods is ``async def``."""
        cls = type(self)
        known = cls._known_functions
        if known and cls._phases_of(cls) == known and self.__dict__.keys().isdisjoint(cls.phases):
            return cls._known_async or cls._yields == "async"
        return self._yields == "async" or any(is_async(getattr(self, method)) for method in self.phases)
