"""Warns of attributes of nodes that items on workers do not see as the program does."""

from __future__ import annotations

import warnings

from flowq.batch.executor import BatchJob
from flowq.batch.fanout import sent_to_workers
from flowq.core.graph import reachable
from flowq.core.left_behind import left_behind, set_outside


def warn_of_unseen(job: BatchJob) -> None:
    """Warn of attributes that a ``prep`` sets for an ``exec``, or other code for a node: where they have a default,
    items would silently run with that.
    """
    inside = reachable(job.node.start_node)
    for node in [*([job.node] if job.after_prep else ()), *sent_to_workers(inside)]:
        for name in left_behind(node):
            _warn(
                f"prep of {node.name} sets self.{name}, which its items read: workers make the node of its "
                f"constructor's arguments and do not run prep, so that self.{name} is not what prep made of it. Put it "
                "into the items or the arguments, or make it in setup"
            )
    for node, is_whole in [(job.node, False), *((one, True) for one in inside)]:
        for name in set_outside(node, is_whole=is_whole):
            _warn(
                f"{name} of {node.name} was set after the node was made: workers make it of its constructor's "
                f"arguments, and see another self.{name}. Let the constructor take it, or put it into the items"
            )


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=4)
