"""Node: the class that steps of a flow derive from. A visit's life cycle is life_cycle.py, the walk walks/flow.py."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import types
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from typing_extensions import TypeVar

from flowq.core.callables import in_loop
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import drive_async
from flowq.core.given import is_number, require_text
from flowq.core.hooks import AnyHook, Hook, Listeners, as_hooks
from flowq.core.life_cycle import LifeCycle
from flowq.core.lifespan import drive_open, finish_open, long_lived_here
from flowq.core.plain import is_plain
from flowq.core.retry import Retry
from flowq.core.streamed import listed
from flowq.core.uncalled import said_of, uncalled
from flowq.core.wiring import Wired
from flowq.errors import FlowError
from flowq.registry import register

if TYPE_CHECKING:
    from flowq.core.journey import Journey

Item = TypeVar("Item", default=Any)
Result = TypeVar("Result", default=Any)

_ONCE = Retry()
_log = logging.getLogger("flowq.node")


@register
class Node(LifeCycle, Wired, Generic[Item, Result]):
    """One step of a flow: ``prep(shared)`` reads the store, ``exec(prep_res)`` works, ``post(...)`` writes and routes.

    Any of the four methods may be ``async def``, and may declare a keyword-only ``ctx`` to be given the
    :class:`~flowq.core.context.ItemContext` of its call; whether it does is read once per class. In an async run, sync
    bodies run in a thread unless the class says ``sync_in_thread = False``.

    ``Node[Item, Result]`` says what ``exec`` takes and returns; both may be left out.

    Args:
        max_retries: tries in all, the first included.
        wait: seconds between tries.
        retry: a :class:`Retry`, instead of the two above.
        timeout: seconds one try of ``exec`` may take in an async run; past it the try has failed with ``ItemTimeout``,
            which is retried like any other error. A sync ``exec`` cannot be interrupted: a sync run ignores the
            timeout, an async run stops waiting and leaves the thread running.
        name: shown in errors, logs and drawings; the class name if None.
        config: settings of this node, read as ``self.config`` or ``ctx.config``.
        hooks: what is called with the events of this node; see :class:`~flowq.core.hooks.Hook`.

    Raises:
        ValueError: *retry* together with *max_retries* or *wait*; a count below 1.
        FlowError: the class defines a method of PocketFlow's async nodes (``exec_async``), which flowq would never
            call.
    """

    sync_in_thread: ClassVar[bool] = True

    # Class-level defaults, so that a dataclass, or an __init__ without super().__init__(), still makes a complete node.
    retry: Retry = _ONCE
    # Only a flow has one; declared here so that code that walks a graph need not import Flow.
    start_node: Node[Any, Any] | None = None
    # The name of the flow that visits this copy; "" outside of a visit, and for a plain Flow without a name.
    within: str = ""
    # Set on the copy of the node that a visit of a resumable walk runs, together with `tries_before`.
    journey: Journey | None = None

    opens_own: ClassVar[bool] = False
    """Whether the node itself enters its ``lifespan`` and those of the nodes inside it, each time it is used."""

    _name: str | None = None
    # The hooks given to this node.
    _hooks: tuple[Hook, ...] = ()

    keeps_open: ClassVar[bool] = False
    """Whether the class overrides ``lifespan``, ``setup`` or ``teardown``."""

    has_lifespan: ClassVar[bool] = False
    """Whether the class overrides ``lifespan``."""

    is_plain: ClassVar[bool] = True
    """Whether a visit that raises nothing consists of ``prep``, ``exec`` and ``post`` only; see plain.py."""

    has_async_names: ClassVar[bool] = False
    """Whether the class calls the ``…_async`` methods of PocketFlow's async nodes."""

    _slots: ClassVar[tuple[str, ...]] = ()
    _uncalled: ClassVar[tuple[str, ...]] = ()

    params: dict[str, Any]
    _arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls._uncalled:
            raise FlowError(said_of(cls, cls._uncalled))
        node = super().__new__(cls)
        # The arguments of the outermost constructor, from which a spec rebuilds the node.
        node._arguments = (args, kwargs)
        node.params = {}
        node.successors = {}
        node.predicates = []
        return node

    def __init__(
        self,
        max_retries: int = 1,
        wait: float = 0,
        *,
        retry: Retry | None = None,
        timeout: float | None = None,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        hooks: Iterable[AnyHook] | None = None,
    ) -> None:
        if retry is not None and (max_retries, wait) != (1, 0):
            raise ValueError("give either retry=Retry(...) or max_retries and wait, not both")
        if retry is not None and not isinstance(retry, Retry):
            raise TypeError(f"retry takes a flowq.Retry, such as flowq.Retry(attempts=3, wait=1), not {retry!r:.200}")
        if timeout is not None and not (is_number(timeout) and timeout > 0):
            raise ValueError(f"timeout is in seconds and above 0, not {timeout!r}; None means no timeout")
        self.retry = Retry(attempts=max_retries, wait=wait) if retry is None else retry
        self.timeout = timeout
        if name is not None:
            require_text("the name of a node", name)
        self._name = name
        if config is not None:
            self.config = config
        if hooks is not None:
            self.listen(hooks)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.has_lifespan = cls.lifespan is not Node.lifespan
        cls.keeps_open = cls.has_lifespan or (cls.setup, cls.teardown) != (Node.setup, Node.teardown)
        members = [name_and_member for base in cls.__mro__ for name_and_member in vars(base).items()]
        cls._slots = tuple(name for name, member in members if isinstance(member, types.MemberDescriptorType))
        cls.is_plain = is_plain(cls, Node)
        cls._uncalled = () if cls.has_async_names else uncalled(cls, cls.phases)
        register(cls)

    def __copy__(self) -> Self:
        """A copy of the node for one visit: a shallow copy of its attributes, with the same constructor arguments."""
        # Not through __reduce_ex__, as copy.copy would: that takes three times as long, and a __getstate__ written for
        # pickling would drop the clients that setup has opened.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        for slot in self._slots:
            if hasattr(self, slot):
                setattr(twin, slot, getattr(self, slot))
        return twin

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>" if self._name is None else f"<{type(self).__name__} {self._name!r}>"

    # -- what a user writes: no-ops until overridden ---------------------------------------------------------------

    # Open signatures, as a subclass may name its parameters freely and add `*, ctx`.
    @in_loop
    def prep(self, shared: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Read what ``exec`` needs from the shared store."""

    @in_loop
    def exec(
        self, prep_res: Item, /, *args: Any, **kwargs: Any
    ) -> Result | Awaitable[Result] | Iterator[Any] | AsyncIterator[Any]:
        """Do the work. It must not touch the shared store, and may be called again: make it idempotent.

        It may be a generator that yields its result in parts: see :meth:`gather`.
        """
        return None  # type: ignore[return-value]

    def gather(self, stream: Any) -> Any:
        """Turn what a generator ``exec`` yields into its result: a list of all of it, unless overridden.

        Args:
            stream: the generator; of an ``async def`` ``exec`` an async generator, and an override may then be ``async
                def`` too.
        """
        return listed(stream)

    @in_loop
    def exec_fallback(self, prep_res: Item, exc: Exception, /, *args: Any, **kwargs: Any) -> Result | Awaitable[Result]:
        """The result to use after the last try failed with *exc*. Raises it unless overridden."""
        raise exc

    _no_fallback = exec_fallback

    @in_loop
    def post(
        self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any
    ) -> str | Awaitable[str | None] | None:
        """Write to the shared store and return the action to follow; None is ``"default"``."""

    @in_loop
    def setup(self) -> Any:
        """Open what every call of the node uses, such as a connection: set attributes of ``self``. May be async.

        Called once before the node is used: on workers once per process; in your own process once per batch, or once
        per run of a node that has no items. A sync ``setup`` is called in the thread that runs the items one after
        another.
        """

    @in_loop
    def teardown(self) -> Any:
        """Close what :meth:`setup` opened. Called once, also after an error; on workers when the process ends."""

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """:meth:`setup` and :meth:`teardown` as one async context manager; override it instead to use ``async with``.

        It is entered and exited when they would be called, always in an event loop (that of the items, if the items are
        async)::

            @asynccontextmanager
            async def lifespan(self):
                async with httpx.AsyncClient() as self.client:
                    yield
        """
        await _called(self.setup)
        try:
            yield
        finally:
            await _called(self.teardown)

    def retry_delay(self, exc: Exception, attempt: int) -> float | None:
        """Seconds until the next try, or None to give up. Called after every failed try; may be overridden.

        Args:
            exc: what the try raised.
            attempt: number of the try that failed, from 0.
        """
        return self.retry.delay_s(exc, attempt)

    # -- attributes ------------------------------------------------------------------------------------------------

    def set_params(self, params: dict[str, Any]) -> None:
        """Replace ``self.params``. A flow calls it for each node it visits."""
        if not isinstance(params, Mapping):
            raise TypeError(f"params are a dict, not {params!r:.200}")
        self.params = params

    @property
    def name(self) -> str:
        """The name given to the constructor, or the class name."""
        return type(self).__name__ if self._name is None else self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name

    @property
    def max_retries(self) -> int:
        """Tries in all, the first included."""
        return self.retry.attempts

    @max_retries.setter
    def max_retries(self, attempts: int) -> None:
        self.retry = dataclasses.replace(self.retry, attempts=attempts)

    @property
    def wait(self) -> float:
        """Seconds before the second try."""
        return self.retry.wait

    @wait.setter
    def wait(self, wait_s: float) -> None:
        self.retry = dataclasses.replace(self.retry, wait=wait_s)

    @property
    def cur_retry(self) -> int:
        """Number of the current try, from 0. It belongs to the calling context: concurrent items each see their own."""
        ctx = current_context()
        return 0 if ctx is None else ctx.attempt

    def listen(self, hooks: Iterable[AnyHook], path: str = "") -> None:
        """Call *hooks* with the events of this node, and of the nodes inside it, from now on.

        Args:
            path: the node's path in its graph, for a node that was built from a spec.
        """
        self._hooks = (*self._hooks, *as_hooks(hooks))
        self._listeners = Listeners(self._hooks, path) if self._hooks else None

    def relay_events(self, inner: Node[Any, Any], label: str) -> None:
        """Pass the events of *inner*, the visited copy of the node labelled *label* in here, to this node's hooks."""
        around = self._listeners
        if around is not None or inner._listeners is not None:
            path = f"{(around and around.path) or self.name}/{label}"
            inner._listeners = (around or Listeners(())).at(path, inner._hooks)

    def log(self, msg: str, *, level: int = logging.INFO, **fields: Any) -> None:
        """Log *msg* to ``flowq.node``, with node, run_id, item_index, attempt and your *fields* on the record."""
        ctx = current_context() or ItemContext()
        extra = {"node": self.name, "run_id": ctx.run_id, "item_index": ctx.item_index, "attempt": ctx.attempt}
        _log.log(level, msg, extra={**extra, "fields": fields}, stacklevel=2)

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, shared: Any) -> Any:
        """Run this node alone and return its action. Async methods run in an event loop made for the call.

        Raises:
            LoopRunning: the node has async methods, and this thread runs an event loop already.
        """
        self._warn_of_successors()
        return finish_open(self, self.told("run", self.visit(shared)))

    async def run_async(self, shared: Any) -> Any:
        """Run this node alone in the running event loop and return its action."""
        self._warn_of_successors()
        nodes, steps = self.needs()[0], self.told("run", self.visit(shared))
        return await (drive_open(nodes, steps) if nodes else drive_async(steps))

    def mistakes(self) -> list[str]:
        """Mistakes in the definition of this node alone, one sentence each, for :meth:`Flow.check`."""
        return []

    def inside(self) -> list[Node[Any, Any]]:
        """The nodes this one contains: the start node of a flow; none for a plain node."""
        return [] if self.start_node is None else [self.start_node]

    def needs(self) -> tuple[list[Node[Any, Any]], bool]:
        """The nodes whose ``lifespan`` a run of this node enters, and whether the run needs an event loop."""
        return long_lived_here(self), self.has_async()

    def _warn_of_successors(self) -> None:
        if self.successors:
            warnings.warn("Node won't run successors. Use Flow.", stacklevel=3)


async def _called(fn: Callable[[], Any]) -> None:
    # Called in the loop's thread, not in another one: async items run there and use what setup opens.
    value = fn()
    if inspect.isawaitable(value):
        await value
