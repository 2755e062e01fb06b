"""InlineExecutor: runs batches in this process, without a server."""

from __future__ import annotations

import copy
import logging
import sys
import threading
from collections import deque
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from flowq.batch.executor import BatchJob, Handle
from flowq.batch.inline.batch import InlineBatch
from flowq.batch.inline.gate import Gates, inline_gate
from flowq.batch.inline.handle import InlineHandle
from flowq.batch.inline.run import InlineRun
from flowq.batch.naming import new_batch_id
from flowq.batch.results.result import BatchResult
from flowq.core.drive import Steps
from flowq.core.node import Node

_log = logging.getLogger("flowq")

ANNOUNCEMENT = (
    "flowq: batches run in this process. For worker processes use `with flowq.LocalCluster():`; "
    "for a fleet set FLOWQ_BROKER_URL."
)


class InlineExecutor:
    """Runs batches in this process.

    Async items run concurrently, ``concurrency`` or else ``in_flight`` of them at once; blocking items one after
    another, or in ``concurrency`` threads if that is given.

    Args:
        announce: say once that batches run here because no other executor was configured: in the log at INFO, or on a
            terminal if that log is not shown.
        sequential: run one item at a time, async ones too, unless the policy gives a ``concurrency``.
        gates: creates the gates of the batches; in a worker, gates shared with the other workers.
    """

    def __init__(self, *, announce: bool = False, sequential: bool = False, gates: Gates = inline_gate) -> None:
        self._gates = gates
        self._announce = announce
        self._sequential = sequential
        # By id, which is made from the label and the key: submitting them again attaches to the batch as long as
        # anything else refers to it.
        self._handles: WeakValueDictionary[str, InlineHandle] = WeakValueDictionary()
        self._runs: WeakValueDictionary[str, InlineRun] = WeakValueDictionary()
        self._lock = threading.Lock()

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """See ``Executor.execute``."""
        self._say_once()
        batch = InlineBatch.of(job, sequential=self._sequential, gates=self._gates)
        result: BatchResult[Any] = yield batch.run, ()
        result.raise_for(job.policy.on_error, job.policy.max_failures)
        return result

    def submit(self, job: BatchJob) -> Handle[Any]:
        """Run *job* in a new thread. The program does not exit before the batch has ended or is cancelled."""
        self._say_once()
        with self._lock:
            known = None if job.key is None else self._handles.get(new_batch_id(job.label or job.node.name, job.key))
            # A batch whose source raised can be submitted again, as on workers; here it starts from the beginning.
            if known is not None and not known._broke_off:
                return known
            # Copied: the program may fill its list anew while the batch runs, as it may on workers.
            if type(job.items) in (list, deque):
                job = replace(job, items=copy.copy(job.items))
            handle = InlineHandle(InlineBatch.of(job, sequential=self._sequential, gates=self._gates))
            self._handles[handle.id] = handle
        handle.start()
        return handle

    def submit_run(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> InlineRun:
        """Run *flow* in a new thread; see ``Flow.submit``."""
        self._say_once()
        with self._lock:
            known = None if key is None else self._runs.get(new_batch_id(label or flow.name, key))
            if known is not None:
                return known
            run = InlineRun(flow, shared, label, key)
            self._runs[run.id] = run
        run.start()
        return run

    def _say_once(self) -> None:
        if not self._announce:
            return
        self._announce = False
        _log.info(ANNOUNCEMENT)
        if not _log.isEnabledFor(logging.INFO) and sys.stderr.isatty():
            # Logging is not configured, and a person may read stderr.
            sys.stderr.write(f"{ANNOUNCEMENT}\n")
