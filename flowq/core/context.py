"""ItemContext: the context of one call, with its try, item, run and node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flowq.core.beside import Beside
from flowq.core.callables import wants_ctx
from flowq.core.given import require_text
from flowq.core.limit import restart_limit
from flowq.errors import FlowError

__all__ = ["NO_CONFIG", "ItemContext", "check_event", "current_context", "enter_context", "innermost", "wants_ctx"]

NO_CONFIG: Mapping[str, Any] = MappingProxyType({})


def _never() -> bool:
    return False


# Not frozen, only because creating a frozen dataclass takes three times as long, and one is created per try.
@dataclass(slots=True, eq=False)
class ItemContext:
    """The context passed to a method that declares ``*, ctx``. Read-only by convention.

    Attributes:
        attempt: number of this try, 0 for the first.
        item_index: the item's index in its batch; None outside of a batch.
        item_key: the item's key, when the batch has a key function.
        config: the node's ``config``.
        run_id: the durable run this call belongs to; None when there is none.
        node: the node's name.
        idempotency_key: the same for every try of an item, on any worker; for side effects. None outside of a batch.
    """

    attempt: int = 0
    item_index: int | None = None
    item_key: Any = None
    config: Mapping[str, Any] = field(default_factory=lambda: NO_CONFIG)
    run_id: str | None = None
    node: str = ""
    idempotency_key: str | None = None
    is_cancelled: Callable[[], bool] = field(default=_never, repr=False)
    on_progress: Callable[[ItemContext, float, float | None], None] | None = field(default=None, repr=False)
    on_heartbeat: Callable[[ItemContext], None] | None = field(default=None, repr=False)
    on_wait: Callable[[ItemContext, str, float | None], Awaitable[Any]] | None = field(default=None, repr=False)
    # The context of the enclosing call; whether this call no longer counts: another try follows, or it lost a race.
    outer: ItemContext | None = field(default=None, repr=False)
    failed: bool = field(default=False, repr=False)
    beside: Beside | None = field(default=None, repr=False)  # the concurrent calls, this one included

    @property
    def cancelled(self) -> bool:
        """Whether the outcome of this call is no longer needed. Long calls should check it regularly and return."""
        return self.is_cancelled()

    def progress(self, done: float, total: float | None = None) -> None:
        """Report how far this call is: *done* of *total*, in a unit of your own.

        Shown in the batch's ``progress().reports`` and, on workers, in Flower; ignored outside of a batch. It does not
        restart the timeout, as :meth:`heartbeat` does.
        """
        if self.on_progress is not None:
            self.on_progress(self, done, total)

    def heartbeat(self) -> None:
        """Report that this call is slow but alive: its ``timeout`` starts again from now."""
        restart_limit()
        if self.on_heartbeat is not None:
            self.on_heartbeat(self)

    async def wait_for(self, name: str, timeout: float | None = None) -> Any:  # noqa: ASYNC109 -- as asyncio.wait_for
        """Wait for the next event *name* sent to this run (``run.send``), and return its value. Holds no slot.

        On workers the run leaves its process here. When the event arrives, the node starts again from its ``prep``: the
        code before the wait runs again. Several waits in one node get the events in the order they were sent; of
        concurrent waits for the same event each starts, with its timeout, when the one before it has ended. Another try
        of the node gets the same events again.

        Args:
            name: the event's name, one word.
            timeout: seconds to wait; None waits forever.

        Raises:
            TimeoutError: the event did not arrive in time.
            FlowError: no event can be sent here: the flow was not submitted, or this is an item of a batch.
            ValueError: *name* is not one word.
        """
        check_event(name)
        if self.on_wait is None:
            raise FlowError(
                f"{self.node or 'a node'} waits for the event {name!r}, which only a submitted flow can be sent, and "
                "no item of a batch: run = flow.submit(shared); run.send(...)"
            )
        return await self.on_wait(self, name, timeout)

    def chain(self) -> Iterator[ItemContext]:
        """Yield this context and those of the enclosing calls, the innermost first."""
        one: ItemContext | None = self
        while one is not None:
            yield one
            one = one.outer

    def derive(self, node: str, config: Mapping[str, Any], attempt: int) -> ItemContext:
        """The context of a node's call inside this one: same item and run, another node and attempt."""
        return ItemContext(
            attempt,
            self.item_index,
            self.item_key,
            config,
            self.run_id,
            node,
            self.idempotency_key,
            self.is_cancelled,
            self.on_progress,
            self.on_heartbeat,
            self.on_wait,
            self,
        )


def check_event(name: str) -> None:
    """Validate the name of an event, for senders and waiters; raises TypeError or ValueError."""
    require_text("the name of an event", name)
    if not name or any(char.isspace() for char in name):
        raise ValueError(f"an event is named by one word, not {name!r}")


def innermost(ctx: ItemContext) -> ItemContext:
    """The current context if its call runs inside the call of *ctx*; else *ctx*."""
    here = current_context()
    return ctx if here is None or ctx not in here.chain() else here


_context: ContextVar[ItemContext | None] = ContextVar("flowq_context", default=None)

# Both are called for every node: bound methods of the variable, to save a function call.
current_context: Callable[[], ItemContext | None] = _context.get
enter_context: Callable[[ItemContext | None], object] = _context.set
