"""Base classes of batch nodes that read items from a key of the store, and of those made of a function or a node.

Their subclasses are in map_node.py, filter_node.py, reduce_node.py and batch_node.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from flowq.batch.fanout import Fanout
from flowq.core.callables import is_async, wants_ctx
from flowq.core.context import ItemContext
from flowq.core.functional import class_of
from flowq.core.node import Item, Node, Result
from flowq.core.walks.flow import Flow
from flowq.registry import is_registered_function


class Keyed(Fanout[Item, Result]):
    """A batch node whose items are at one key of the store.

    Args:
        items: key of the items, any iterable.
        out: key of the results.
        count: key for the number of results; None: it is not written.
    """

    def __init__(
        self, *args: Any, items: str = "items", out: str = "results", count: str | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self.items_key, self.out_key, self.count_key = items, out, count

    def prep(self, shared: Any) -> Any:
        """The items.

        Raises:
            KeyError: the store does not have the key.
        """
        try:
            return shared[self.items_key]
        except KeyError as error:
            error.add_note(f"{self.name} reads its items from shared[{self.items_key!r}]; items= names another key")
            raise

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        """Write the keys of :meth:`written` to the store."""
        for key, value in self.written(exec_res).items():
            shared[key] = value

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """The values to write to the store, by key."""
        counted = {} if self.count_key is None else {self.count_key: len(exec_res)}
        return {self.out_key: list(exec_res), **counted}


class Worked(Keyed[Item, Result]):
    """A node made of a function of one item, of a node whose ``exec`` takes one, or a subclass that defines ``exec``.

    From a node it takes ``exec``, ``exec_fallback``, retries, timeout and lifespan; ``prep`` and ``post`` are not
    called. For a function a subclass is created, see :func:`~flowq.core.functional.class_of`, unless the function is
    registered (``@flowq.register``) and can be sent as an argument.

    Attributes:
        child: the node it is made of; else None.
    """

    role: ClassVar[str] = "exec"
    """The name of the method that the function becomes."""

    child: Node[Any, Any] | None = None

    def __new__(cls, work: Any = None, *args: Any, **kwargs: Any) -> Self:
        if not needs_class(cls, cls.role, work):
            return super().__new__(cls, work, *args, **kwargs)
        # The function is part of the class and is not sent; the other arguments are.
        made: type[Self] = class_of(cls.__name__, (cls,), {cls.role: work})
        return super().__new__(made, None, *args, **kwargs)

    def take_function(self, role: str, work: Any) -> None:
        """Set *work*, if it is a function, as the method *role*, unless the class defines that."""
        if callable(work) and not isinstance(work, Node) and not defines(type(self), role):
            vars(self)[role] = work

    def adopted(self, child: Any, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Use *child*, if it is a node, to run one item; returns *options* with its config, retries and timeout as
        defaults.

        Raises:
            TypeError: *child* is a flow.
        """
        if not isinstance(child, Node):
            return options
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
        """The node it is made of, if any."""
        return [] if self.child is None else [self.child]


def needs_class(cls: type[Node[Any, Any]], role: str, work: Any) -> bool:
    """Whether *work* is an unregistered function and *cls* does not define *role*, so that a subclass is needed."""
    return callable(work) and not isinstance(work, Node) and not is_registered_function(work) and not defines(cls, role)


def defines(cls: type[Node[Any, Any]], method: str) -> bool:
    """Whether *cls* overrides *method*."""
    return getattr(cls, method, None) not in (None, getattr(Node, method, None))


def refuse_without_work(node: Node[Any, Any], method: str) -> None:
    """Raise TypeError if *node* has neither a function, nor a node, nor a *method* of a subclass."""
    takes_many = method == "exec" and getattr(node, "exec_many", None) is not None
    if method not in vars(node) and not defines(type(node), method) and not takes_many:
        raise TypeError(f"{type(node).__name__} takes a function or a node, or define {method} in a subclass")


def then(fn: Callable[..., Any], make: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that runs one item with *fn* and returns ``make(result)``."""
    asks = wants_ctx(fn)
    if is_async(fn):

        async def call_async(item: Any, *, ctx: ItemContext) -> Any:
            return make(await (fn(item, ctx=ctx) if asks else fn(item)))

        return call_async

    def call(item: Any, *, ctx: ItemContext) -> Any:
        return make(fn(item, ctx=ctx) if asks else fn(item))

    return call
