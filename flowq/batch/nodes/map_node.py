"""MapNode: runs a function, or a node's ``exec``, on the items at one key of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from flowq.batch.nodes.batch_node import ParallelBatchNode
from flowq.batch.nodes.keyed import Worked, refuse_without_work
from flowq.batch.options import BatchNodeOptions
from flowq.core.node import Item, Node, Result


class MapNode(Worked[Item, Result], ParallelBatchNode[Item, Result]):
    """Runs *work* on each of ``shared[items]``, where the active executor runs items, and writes four keys.

    ``shared[out]`` is the list of results in item order, ``shared["total"]``, ``shared["succeeded"]`` and
    ``shared["failed"]`` are counts. With ``on_error="collect"``, the default here, a failed item is None in the list;
    "skip" leaves it out, "raise" raises BatchError at the first one.

    Args:
        work: a function of one item, or a node whose ``exec`` takes one; either may be async. To run on workers, a
            function must be decorated with ``@flowq.register`` or ``@flowq.node``, or be defined at module level in a
            module that also creates this node at module level. None: a subclass defines ``exec``.
        items: key of the items, any iterable.
        out: key of the results.
        **options: as for any batch node, see :class:`~flowq.batch.fanout.Fanout`. Without a ``policy``, the defaults
            are ``on_error="collect"`` and ``concurrency=10`` (None: the executor decides).

    Raises:
        TypeError: *work* is neither a function nor a node, or nothing defines ``exec``.
    """

    def __init__(
        self,
        work: Callable[..., Any] | Node[Any, Any] | None = None,
        *,
        items: str = "items",
        out: str = "results",
        **options: Unpack[BatchNodeOptions],
    ) -> None:
        given = self.adopted(work, options)
        if "policy" not in given:
            given = {"concurrency": 10, "on_error": "collect", **given}
        super().__init__(items=items, out=out, **given)
        self.take_function("exec", work)
        refuse_without_work(self, "exec")

    def written(self, exec_res: Any) -> Mapping[str, Any]:
        """The results and the counts, by key."""
        total, succeeded = len(exec_res.items), len(exec_res.ok)
        return {self.out_key: list(exec_res), "total": total, "succeeded": succeeded, "failed": total - succeeded}
