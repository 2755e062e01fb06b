"""The batch nodes a user derives from: items here, one after another, or wherever the active executor runs them.

Never here: what they have in common (fanout), flows over many params (batchflow).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Never, Self, TypeVar, overload

from flowq.batch.executor import Executor
from flowq.batch.fanout import Fanout
from flowq.batch.following import Stream
from flowq.batch.inline import InlineExecutor
from flowq.batch.keyed import Keyed, Worked
from flowq.batch.outcome import Outcome
from flowq.core.functional import class_of, functional
from flowq.core.node import Item, Node, Result
from flowq.registry import is_registered_function

T = TypeVar("T")
R = TypeVar("R")


class _Of(Fanout[Item, Result]):
    """What both kinds of batch nodes offer beside a life cycle: to be made of a function, to be read as a stream."""

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
            fn: a function of one item; it may be async. One that is to run on workers is decorated with
                ``@flowq.register``, or stands at the top of a module with this node beside it.
            items: key of the items, any iterable.
            out: key of the results.
            count: key of their number; None: it is not written.
            **options: of this class.
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
        """Run ``exec`` over *items* and give their outcomes as they come: for ``for`` and for ``async for``.

        Leaving the loop early cancels the rest. What an item raised is in its outcome and is not raised here.

        Args:
            items: an iterable of items, or an async one.
            others: none, as for ``map``.
            label: the batch's name for people.
            limit: only so many of the first items.
        """
        handle = self.executor().submit(self.job(items, *others, label=label, limit=limit))
        return handle.as_completed().or_else(handle.cancel)


class BatchNode(_Of[Item, Result]):
    """Runs its items in this process, one after another unless ``concurrency`` says how many at once.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """

    is_local: bool = True

    def executor(self) -> Executor:
        """This process."""
        return InlineExecutor(sequential=True)


class ParallelBatchNode(_Of[Item, Result]):
    """Runs its items wherever the active executor runs them: on a cluster, or in this process without one.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """


class BatchOf(Worked[Item, Result], BatchNode[Item, Result]):
    """What ``BatchNode.of`` makes of a registered function, which is an argument like any other."""

    def __init__(self, fn: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self.take_function("exec", fn)


class ParallelBatchOf(Worked[Item, Result], ParallelBatchNode[Item, Result]):
    """What ``ParallelBatchNode.of`` makes of a registered function."""

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
    """A ParallelBatchNode whose ``exec`` is the decorated function; ``score.map(items)`` is the shortest program.

    Usable bare or with options; see :func:`flowq.node`, whose rules hold, and
    :class:`~flowq.batch.fanout.Fanout` for the options.
    """
    return functional(ParallelBatchNode, exec, given)
