"""The context of one call: which try, which item, of which run. Never decides anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flowq.core.beside import Beside
from flowq.core.callables import wants_ctx
from flowq.core.given import require_text
from flowq.core.limit import begin_anew
from flowq.errors import FlowError

__all__ = ["NO_CONFIG", "ItemContext", "check_event", "current_context", "enter_context", "innermost", "wants_ctx"]

NO_CONFIG: Mapping[str, Any] = MappingProxyType({})


def _never() -> bool:
    return False


# Not frozen only because a frozen dataclass takes three times as long to make, and one is made per try.
@dataclass(slots=True, eq=False)
class ItemContext:
    """What a method that declares ``*, ctx`` is given. Read it; do not write to it.

    Attributes:
        attempt: number of this try, 0 for the first.
        item_index: the item's place in its batch; None outside of one.
        item_key: the item's key, when the batch has a key function.
        config: the node's ``config``.
        run_id: the durable run this call belongs to; None when there is none.
        node: the node's name.
        idempotency_key: the same for every try of one item, on whatever worker; for side effects. None outside a batch.
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
    # The call that this one is made in; and whether nothing of it counts: a further try follows, or it has lost a race.
    outer: ItemContext | None = field(default=None, repr=False)
    failed: bool = field(default=False, repr=False)
    beside: Beside | None = field(default=None, repr=False)  # what runs at the same time, this call among them

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the outcome of this call any more. A long body asks now and then, and returns."""
        return self.is_cancelled()

    def progress(self, done: float, total: float | None = None) -> None:
        """Report how far this call is: *done* of *total*, in a unit of your own.

        Seen in the batch's ``progress().reports`` and, on workers, in Flower; nowhere outside of a batch. It is no
        :meth:`heartbeat`.
        """
        if self.on_progress is not None:
            self.on_progress(self, done, total)

    def heartbeat(self) -> None:
        """Say that this call is alive although it is slow: its ``timeout`` counts from now."""
        begin_anew()
        if self.on_heartbeat is not None:
            self.on_heartbeat(self)

    async def wait_for(self, name: str, timeout: float | None = None) -> Any:  # noqa: ASYNC109 -- as asyncio.wait_for
        """Wait for the next event *name* that is sent to this run (``run.send``), and return its value. Holds no slot.

        A run on workers leaves its process here, and the node begins anew, from its ``prep``, when the event has come:
        what stands before the wait runs again. Several waits in one node get the events in the order they were sent;
        side by side each waits, and counts its timeout, once the one before it for the same event has ended. A further
        try of the node gets the same events again.

        Args:
            name: the event's name, one word.
            timeout: seconds to wait for it (None: for ever).

        Raises:
            TimeoutError: it has not come in time.
            FlowError: nobody could send it: the flow was not submitted, or this is an item of a batch.
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
        """This one, the one of the call that it is made in, and so on."""
        one: ItemContext | None = self
        while one is not None:
            yield one
            one = one.outer

    def derive(self, node: str, config: Mapping[str, Any], attempt: int) -> ItemContext:
        """The context of a node's call within this one: same item and run, its own node and attempt."""
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
    """Raises TypeError or ValueError if no event can have this name; for who sends and who waits, wherever they run."""
    require_text("the name of an event", name)
    if not name or any(char.isspace() for char in name):
        raise ValueError(f"an event is named by one word, not {name!r}")


def innermost(ctx: ItemContext) -> ItemContext:
    """The context of the call that runs here, if that is made within the call of *ctx*; else *ctx*."""
    here = current_context()
    return ctx if here is None or ctx not in here.chain() else here


_context: ContextVar[ItemContext | None] = ContextVar("flowq_context", default=None)

# Both are on the path of every node: bound methods of the variable, not functions around them.
current_context: Callable[[], ItemContext | None] = _context.get
enter_context: Callable[[ItemContext | None], object] = _context.set
