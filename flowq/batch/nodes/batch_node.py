"""BatchNode and ParallelBatchNode: base classes for user-defined batch nodes. Their common part is fanout.py."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Never, Self, TypeVar, overload

from flowq.batch.executor import Executor
from flowq.batch.fanout import Fanout
from flowq.batch.following import Stream
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.nodes.keyed import Keyed, Worked
from flowq.batch.results.outcome import Outcome
from flowq.core.functional import class_of, functional
from flowq.core.node import Item, Node, Result
from flowq.registry import is_registered_function

T = TypeVar("T")
R = TypeVar("R")


class _Of(Fanout[Item, Result]):
    """Base of both: creation from a function, and reading outcomes as a stream."""

    @classmethod
    def of(
        cls,
        fn: Callable[..., Any],
        *,
        items: str = "items",
        out: str = "results",
        count: str | None = None,
        **options: Any,
    ) -> Self:
        """A node that runs *fn* over ``shared[items]`` and writes the results to ``shared[out]``.

        Args:
            fn: a function of one item; it may be async. To run on workers, it must be decorated with
                ``@flowq.register``, or be defined at module level in a module that also creates this node at module
                level.
            items: key of the items, any iterable.
            out: key of the results.
            count: key for the number of results; None: it is not written.
            **options: as for this class.
        """
        if isinstance(fn, Node):
            raise TypeError(f"{cls.__name__}.of takes a function; flowq.MapNode takes a node")
        kinds: dict[Any, Any] = {BatchNode: BatchOf, ParallelBatchNode: ParallelBatchOf}
        named = kinds.get(cls)
        if named is not None and is_registered_function(fn):
            node: Self = named(fn, items=items, out=out, count=count, **options)
            return node
        made: type[Any] = class_of(cls.__name__, (Keyed, cls), {"exec": fn})
        node = made(items=items, out=out, count=count, **options)
        return node

    def stream(self, items: Any, *others: Never, label: str | None = None, limit: int | None = None) -> Stream[Outcome]:
        """Run ``exec`` on *items* and yield outcomes as the items end, for ``for`` and ``async for``.

        Leaving the loop early cancels the rest. An item's exception is in its outcome and is not raised.

        Args:
            items: an iterable or async iterable of items.
            others: not accepted, as for ``map``.
            label: the displayed name of the batch.
            limit: the number of first items to run.
        """
        handle = self.executor().submit(self.job(items, *others, label=label, limit=limit))
        return handle.as_completed().when_abandoned(handle.cancel)


class BatchNode(_Of[Item, Result]):
    """Runs its items in this process, one after another unless ``concurrency`` is given.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """

    is_local: bool = True

    def executor(self) -> Executor:
        """An executor that runs items in this process."""
        return InlineExecutor(sequential=True)


class ParallelBatchNode(_Of[Item, Result]):
    """Runs its items on the active executor: on workers, or in this process if there are none.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """


class BatchOf(Worked[Item, Result], BatchNode[Item, Result]):
    """The class of ``BatchNode.of`` for a registered function, which can be sent as an argument."""

    def __init__(self, fn: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self.take_function("exec", fn)


class ParallelBatchOf(Worked[Item, Result], ParallelBatchNode[Item, Result]):
    """The class of ``ParallelBatchNode.of`` for a registered function."""

    def __init__(self, fn: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self.take_function("exec", fn)


@overload
def parallel_batch_node(exec: Callable[[T], Coroutine[Any, Any, R]], /) -> ParallelBatchNode[T, R]: ...
@overload
def parallel_batch_node(exec: Callable[[T], R], /) -> ParallelBatchNode[T, R]: ...
@overload
def parallel_batch_node(exec: Callable[..., Any], /) -> ParallelBatchNode[Any, Any]: ...
@overload
def parallel_batch_node(
    *,
    exec: Callable[..., Any],
    prep: Callable[..., Any] | None = None,
    post: Callable[..., Any] | None = None,
    exec_fallback: Callable[..., Any] | None = None,
    max_retries: int = 1,
    wait: float = 0,
    **options: Any,
) -> ParallelBatchNode[Any, Any]: ...
@overload
def parallel_batch_node(
    *,
    prep: Callable[..., Any] | None = None,
    post: Callable[..., Any] | None = None,
    exec_fallback: Callable[..., Any] | None = None,
    max_retries: int = 1,
    wait: float = 0,
    **options: Any,
) -> Callable[[Callable[..., Any]], ParallelBatchNode[Any, Any]]: ...
def parallel_batch_node(exec: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """A ParallelBatchNode whose ``exec`` is the decorated function, as in ``score.map(items)``.

    Use it with or without options; see :func:`flowq.node` for the rules and :class:`~flowq.batch.fanout.Fanout` for the
    options.
    """
    return functional(ParallelBatchNode, exec, given)
