"""The batch nodes a user derives from: items here, one after another, or wherever the active executor runs them.

Never here: what they have in common (fanout), flows over many params (batchflow).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, overload

from flowq.batch.executor import Executor
from flowq.batch.fanout import Fanout
from flowq.batch.inline import InlineExecutor
from flowq.core.functional import functional
from flowq.core.node import Item, Result

T = TypeVar("T")
R = TypeVar("R")


class BatchNode(Fanout[Item, Result]):
    """Runs its items in this process, one after another unless ``concurrency`` says how many at once.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """

    def executor(self) -> Executor:
        """This process."""
        return InlineExecutor(sequential=True)


class ParallelBatchNode(Fanout[Item, Result]):
    """Runs its items wherever the active executor runs them: on a cluster, or in this process without one.

    See :class:`~flowq.batch.fanout.Fanout` for the arguments.
    """


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
