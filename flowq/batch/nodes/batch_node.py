"""BatchNode and ParallelBatchNode: base classes for user-defined batch nodes. Their common part is fanout.py."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Never, ParamSpec, Protocol, Self, TypeVar, Unpack, overload

from flowq.batch.executor import Executor
from flowq.batch.fanout import Fanout
from flowq.batch.following import Stream
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.nodes.keyed import Keyed, Worked
from flowq.batch.options import BatchFunctionOptions, BatchNodeOptions
from flowq.batch.results.outcome import Outcome
from flowq.core.functional import Returns, ReturnsAsync, SaysNothing, Yields, YieldsAsync, class_of, functional
from flowq.core.node import Item, Node, Result
from flowq.registry import is_registered_function

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")  # the parameters after the item
Returned = TypeVar("Returned")


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
        **options: Unpack[BatchNodeOptions],
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

    def stream(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *others: Never,
        label: str | None = None,
        limit: int | None = None,
    ) -> Stream[Outcome]:
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


if TYPE_CHECKING:

    class BatchFunction(ParallelBatchNode[T, R], Generic[T, R, P, Returned]):
        """What type checkers know of a batch node of a function, as :class:`~flowq.core.functional.FunctionNode`."""

        def __call__(self, item: T, /, *args: P.args, **kwargs: P.kwargs) -> Returned: ...


class BatchNodeMaker(Protocol):
    """The type of ``@parallel_batch_node(max_retries=3)``: a decorator that takes the function."""

    # In this order: generators and async functions match `Returns`, too, and what returns Any matches all of them.
    @overload
    def __call__(self, exec: Callable[..., SaysNothing], /) -> BatchFunction[Any, Any, ..., Any]: ...
    @overload
    def __call__(self, exec: YieldsAsync[T, P, R], /) -> BatchFunction[T, list[R], P, AsyncIterator[R]]: ...
    @overload
    def __call__(self, exec: Yields[T, P, R], /) -> BatchFunction[T, list[R], P, Iterator[R]]: ...
    @overload
    def __call__(self, exec: ReturnsAsync[T, P, R], /) -> BatchFunction[T, R, P, Coroutine[Any, Any, R]]: ...
    @overload
    def __call__(self, exec: Returns[T, P, R], /) -> BatchFunction[T, R, P, R]: ...
    @overload
    def __call__(self, exec: Callable[..., Any], /) -> BatchFunction[Any, Any, ..., Any]: ...


@overload
def parallel_batch_node(
    exec: Callable[..., SaysNothing], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[Any, Any, ..., Any]: ...
@overload
def parallel_batch_node(
    exec: YieldsAsync[T, P, R], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[T, list[R], P, AsyncIterator[R]]: ...
@overload
def parallel_batch_node(
    exec: Yields[T, P, R], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[T, list[R], P, Iterator[R]]: ...
@overload
def parallel_batch_node(
    exec: ReturnsAsync[T, P, R], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[T, R, P, Coroutine[Any, Any, R]]: ...
@overload
def parallel_batch_node(
    exec: Returns[T, P, R], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[T, R, P, R]: ...
@overload
def parallel_batch_node(
    exec: Callable[..., Any], **options: Unpack[BatchFunctionOptions]
) -> BatchFunction[Any, Any, ..., Any]: ...
@overload
def parallel_batch_node(**options: Unpack[BatchFunctionOptions]) -> BatchNodeMaker: ...
def parallel_batch_node(exec: Callable[..., Any] | None = None, /, **given: Any) -> Any:
    """A ParallelBatchNode whose ``exec`` is the decorated function, as in ``score.map(items)``.

    Use it with or without options; see :func:`flowq.node` for the rules and :class:`~flowq.batch.fanout.Fanout` for the
    options.
    """
    return functional(ParallelBatchNode, exec, given)
