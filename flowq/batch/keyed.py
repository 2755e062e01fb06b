"""Items read from one key of the store, results written to others, and nodes made of a function or another node.

Never here: what is done with the items (map_node, filter_node, reduce_node, nodes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from flowq.batch.fanout import Fanout
from flowq.core.callables import is_async, wants_ctx
from flowq.core.context import ItemContext
from flowq.core.flow import Flow
from flowq.core.functional import class_of
from flowq.core.node import Item, Node, Result
from flowq.registry import is_registered_function


class Keyed(Fanout[Item, Result]):
    """A batch node whose items are at one key of the store.

    Args:
        items: key of the items, any iterable.
        out: key of the results.
        count: key of their number; None: it is not written.
    """

    def __init__(
        self, *args: Any, items: str = "items", out: str = "results", count: str | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.items_key, self.out_key, self.count_key = items, out, count

    def prep(self, shared: Any) -> Any:
        """The items.

        Raises:
            KeyError: the store has none at that key.
        """
        try:
            return shared[self.items_key]
        except KeyError as error:
            error.add_note(f"{self.name} reads its items from shared[{self.items_key!r}]; items= names another key")
            raise

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        """Write what :meth:`written` says."""
        for key, value in self.written(exec_res).items():
            shared[key] = value

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """What the node writes to the store, by key."""
        counted = {} if self.count_key is None else {self.count_key: len(exec_res)}
        return {self.out_key: list(exec_res), **counted}


class Worked(Keyed[Item, Result]):
    """A node made of a function of one item, of a node whose ``exec`` takes one, or of neither by a subclass.

    Of a node its ``exec``, ``exec_fallback``, retries, timeout and lifespan are taken; its ``prep`` and ``post`` are
    not called. A function makes a class of its own, see :func:`~flowq.core.functional.class_of`, unless it is one that
    messages may name (``@flowq.register``): that is an argument like any other.

    Attributes:
        child: the node it is made of, if it is.
    """

    role: ClassVar[str] = "exec"
    """The method that the function becomes."""

    child: Node[Any, Any] | None = None

    def __new__(cls, work: Any = None, *args: Any, **kwargs: Any) -> Self:
        if not needs_class(cls, cls.role, work):
            return super().__new__(cls, work, *args, **kwargs)
        # The function is in the class and does not travel; the other arguments do.
        made: type[Self] = class_of(cls.__name__, (cls,), {cls.role: work})
        return super().__new__(made, None, *args, **kwargs)

    def take_function(self, role: str, work: Any) -> None:
        """Let *work*, if it is a function, be the method *role*, unless the class says what that is."""
        if callable(work) and not isinstance(work, Node) and not defines(type(self), role):
            vars(self)[role] = work

    def adopt(self, child: Node[Any, Any], options: dict[str, Any]) -> dict[str, Any]:
        """Take *child* as what runs one item; answers *options* with the retries and timeout that come from it.

        Raises:
            TypeError: *child* is a flow.
        """
        if isinstance(child, Flow):
            raise TypeError(f"{child.name} is a flow: run it once an item with flowq.BatchFlow(start=..., collect=...)")
        self.child = child
        _, exec, exec_fallback, _ = child.phases
        if getattr(child, "exec_many", None) is not None:
            vars(self).update(exec_many=child.exec_many)  # type: ignore[attr-defined]
        vars(self).update(exec=getattr(child, exec), exec_fallback=getattr(child, exec_fallback))
        vars(self).update(gather=child.gather)
        if not options.keys() & {"max_retries", "wait", "retry", "policy"}:
            vars(self).update(retry_delay=child.retry_delay)
            options = {"retry": child.retry, **options}
        if child.timeout is not None and "policy" not in options:
            options = {"timeout": child.timeout, **options}
        return {"config": child.config, **options}

    def inside(self) -> list[Node[Any, Any]]:
        """The node it is made of."""
        return [] if self.child is None else [self.child]


def needs_class(cls: type[Node[Any, Any]], role: str, work: Any) -> bool:
    """Whether *work* is a function that no message could name, to become the method *role* of *cls*."""
    return callable(work) and not isinstance(work, Node) and not is_registered_function(work) and not defines(cls, role)


def defines(cls: type[Node[Any, Any]], method: str) -> bool:
    """Whether *cls* says itself what *method* does."""
    return getattr(cls, method, None) not in (None, getattr(Node, method, None))


def refuse_without_work(node: Node[Any, Any], method: str) -> None:
    """Raise TypeError if nothing says what *node* does: no function, no node, no *method* of a subclass."""
    takes_many = method == "exec" and getattr(node, "exec_many", None) is not None
    if method not in vars(node) and not defines(type(node), method) and not takes_many:
        raise TypeError(f"{type(node).__name__} takes a function or a node, or define {method} in a subclass")


def then(fn: Callable[..., Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    """*fn*, which runs one item, and *make* of what it returns."""
    asks = wants_ctx(fn)
    if is_async(fn):

        async def call_async(item: Any, *, ctx: ItemContext) -> Any:
            return make(await (fn(item, ctx=ctx) if asks else fn(item)))

        return call_async

    def call(item: Any, *, ctx: ItemContext) -> Any:
        return make(fn(item, ctx=ctx) if asks else fn(item))

    return call
