"""Parallel: runs different nodes concurrently and joins them when all have ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, Literal, Unpack

from flowq.batch.nodes.branches import Ended, SideBySide, ended_for_good
from flowq.batch.results.deltas import by_name, by_reducer, fold_deltas
from flowq.core.drive import ControlFlow, async_twin
from flowq.core.node import Node
from flowq.core.options import NodeOptions
from flowq.core.store.merge import apply_delta
from flowq.errors import MergeConflict

FAILED, LEAVES, GOES_ON = range(3)


class Parallel(SideBySide):
    """Runs *nodes* concurrently until all have ended: in threads in a sync run, as tasks in an async one.

    The branches' changes to the store are merged in the order of the branches: dicts merge deeply and lists are
    extended; two branches that set one key to different values raise a MergeConflict, unless a reducer of the store's
    schema or *merge* applies. ``post`` gets the list of their actions, and returns the default action unless
    overridden. When a branch fails, the others are cancelled (a blocking one runs to its end, with ``ctx.cancelled``
    true, and a batch it waits for is cancelled), nothing is merged, and its error is raised. The items of batch nodes
    among the branches run on the active executor, concurrently.

    Args:
        *nodes: nodes and flows.
        merge: "last" (on a conflict the later branch wins), or reducers by key (flowq.Add, flowq.Append, … or their
            names).
        max_retries, wait, retry, timeout, name, config: as for a node, applied to all branches together.

    Raises:
        MergeConflict: two branches made conflicting changes.
    """

    def __init__(
        self,
        *nodes: Node[Any, Any],
        merge: Literal["last"] | Mapping[str, Any] | None = None,
        **options: Unpack[NodeOptions],
    ) -> None:
        super().__init__(*nodes, **options)
        if isinstance(merge, str) and merge != "last":
            raise ValueError(f'merge is "last" or reducers by key, not {merge!r}')
        self.last = merge == "last"
        if merge is not None and not isinstance(merge, str):
            self.reducers = by_reducer(merge)
            self._arguments[1]["merge"] = by_name(merge)  # reducers hold functions, which cannot be sent; names can

    async def run_all_async(self, shared: Any) -> list[str | None]:
        """Like ``run_all``, in the running event loop."""
        tasks = self.start_async(shared, _never)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            ended = [task.result() for task in sorted(tasks, key=_comes)]
        finally:
            await ended_for_good(tasks)
        return self._join(shared, ended)

    @async_twin(run_all_async)
    def run_all(self, shared: Any) -> list[str | None]:
        """Run the branches and merge their changes into *shared*; returns their actions."""
        failed = threading.Event()
        with ThreadPoolExecutor(len(self.branches), thread_name_prefix="flowq-branch") as pool:
            futures = self.start(pool, shared, failed.is_set)
            try:
                done, _ = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                failed.set()
                raise
        return self._join(shared, [future.result() for future in futures])

    def _join(self, shared: Any, branches: Iterable[Ended]) -> list[str | None]:
        ended = sorted(branches, key=lambda one: one.place)
        reducers = self.reducers_of(shared)
        try:
            delta = fold_deltas([one.store.delta(one.place, reducers) for one in ended], reducers, self.last)
        except MergeConflict as error:
            names = [f"{place} is {self.branches[place].name}" for place in (error.first, error.second)]
            error.add_note(f"in {self.name}, whose branch {' and branch '.join(names)}")
            raise
        apply_delta(shared, delta, reducers)
        return [one.action for one in ended]


def _never() -> bool:
    return False


def _comes(branch: asyncio.Future[Ended]) -> int:
    """The order in which branches are checked: a failed one first, then one that left to wait, then all others."""
    if not branch.done():
        return GOES_ON
    error = asyncio.CancelledError() if branch.cancelled() else branch.exception()
    return GOES_ON if error is None else LEAVES if isinstance(error, ControlFlow) else FAILED
