"""The checks of `flowq doctor` on workers and batches: which workers there are, what waits, what does not progress.

Pure functions from what Redis holds to findings. Redis itself: checkup.py. The queries: examination.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowq.batch.executor import UNENDED
from flowq.engine.care.checkup import SKEW_LIMIT_S, SKEW_S, Finding, Verdict
from flowq.engine.fleet.presence import Sighting, WorkerRecord
from flowq.engine.ledger import SCHEMA_VERSION

LATE_S = 3.0  # three beats
SHOWN = 20
# Node classes that every worker knows; the second and third are how earlier releases name them.
OWN = ("flowq:", "flowq.core.", "flowq.batch.", "flowq.compat.")


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """A batch at one moment. ``fed``: its producer beats, or has written its last item. ``left_by``: the worker that
    left chunks of it to others, and why, or "".
    """

    id: str
    version: str
    state: str
    queue: str
    written: int
    done: int
    open_chunks: int
    parked: int
    fed: bool
    left_by: str = ""

    @property
    def ended(self) -> bool:
        return self.state not in UNENDED


def served(seen: Iterable[Sighting]) -> set[str]:
    """The queues that a worker consumes."""
    return {queue for one in seen if one.record is not None for queue in one.record.queues}


def workers(seen: Sequence[Sighting], queue: str, version_here: str) -> list[Finding]:
    """One line for all workers, one for each (warnings first), one for node classes that only some of them know."""
    records = [one.record for one in seen if one.record is not None]
    consuming = [record for record in records if queue in record.queues]
    slots = sum(record.slots for record in consuming)
    start = "start one: flowq worker --import your.module"
    if consuming:
        found = f"{_count(len(consuming), 'worker')}, {_count(slots, 'slot')} on queue {queue!r}"
        total = Finding("workers", "ok", found)
    elif records:
        elsewhere = ", ".join(sorted(served(seen)))
        total = Finding("workers", "warn", f"none on queue {queue!r}; there are some on {elsewhere}", start)
    else:
        total = Finding("workers", "warn", "none: batches wait for one", start)
    lines = sorted((worker(one, version_here) for one in seen), key=lambda line: (line.verdict == "ok", line.check))
    if len(lines) > SHOWN:
        rest = Finding("workers", "ok", f"and {len(lines) - SHOWN} more")
        lines = [*lines[:SHOWN], rest]
    return [total, *lines, *namesakes(records), *unevenly_known(consuming)]


def worker(seen: Sighting, version_here: str) -> Finding:
    """One worker: its slots and nodes, whether it beats in time, whether its clock and flowq version agree."""
    check = f"worker {seen.name}"
    if seen.age_s is None or seen.ahead_s is None:
        found = f"has not beaten for {seen.gone_s:.0f} s, and did not say that it ends"
        return Finding(check, "warn", found, "see its log; its items run elsewhere")
    if seen.record is None:
        found = "says of itself what this flowq cannot read"
        return Finding(check, "warn", found, f"run one version of flowq everywhere; here it is {version_here}")
    record = seen.record
    offers = f"{_count(record.slots, 'slot')} on {', '.join(record.queues) or 'no queue'}; {_known(record)}"
    found = f"{offers}; flowq {record.version}; beat {seen.age_s:.1f} s ago; clock {seen.ahead_s:+.2f} s"
    if abs(seen.ahead_s) > SKEW_S:
        verdict: Verdict = "fail" if abs(seen.ahead_s) > SKEW_LIMIT_S else "warn"
        return Finding(check, verdict, found, f"run NTP on {record.host}: its clock is off")
    if record.version != version_here:
        return Finding(check, "warn", found, f"run one version of flowq everywhere; here it is {version_here}")
    if seen.age_s > LATE_S:
        return Finding(check, "warn", found, "it beats late: is its machine overloaded, or frozen?")
    if not _own_nodes(record):
        return Finding(check, "warn", found, "start it with FLOWQ_IMPORTS=your.module (or --import your.module)")
    return Finding(check, "ok", found)


def namesakes(records: Sequence[WorkerRecord]) -> list[Finding]:
    """Workers with the same name."""
    shared = {name: n for name, n in Counter(record.name for record in records).items() if n > 1}
    advice = "give each its own (--name, FLOWQ_WORKER_NAME): Flower and remote control take them for one worker"
    return [Finding("names", "warn", f"{n} workers are called {name}", advice) for name, n in sorted(shared.items())][
        :SHOWN
    ]


def unevenly_known(records: Sequence[WorkerRecord]) -> list[Finding]:
    """Node classes that some workers of a queue know and others do not."""
    missing = {
        name: [record.name for record in records if name not in record.nodes]
        for name in sorted({name for record in records for name in _own_nodes(record)})
    }
    uneven = {name: lacking for name, lacking in missing.items() if lacking}
    if not uneven:
        return []
    first, lacking = next(iter(uneven.items()))
    more = f" and {len(uneven) - 1} more" if len(uneven) > 1 else ""
    found = f"{first}{more}: unknown to {_count(len(lacking), 'worker')}, such as {lacking[0]}"
    return [Finding("node classes", "warn", found, "start all workers of a queue with the same code and FLOWQ_IMPORTS")]


def backlog(batches: Sequence[BatchSeen], messages: dict[str, int], queues: set[str]) -> list[Finding]:
    """What is running, waiting or not progressing. *queues*: those that a worker consumes."""
    running = [batch for batch in batches if not batch.ended]
    left = sum(batch.written - batch.done for batch in running)
    found = f"{len(running)} running, {left:,} items to do"
    for count, what in (
        (sum(batch.open_chunks for batch in running), "chunks open"),
        (sum(batch.parked for batch in running), "items waiting for another try"),
        (sum(batch.state == "paused" for batch in running), "paused"),
        (len(batches) - len(running), "to be aggregated"),
        (sum(messages.values()), "messages queued"),
    ):
        found += f", {count:,} {what}" if count else ""
    unserved = sorted({batch.queue for batch in running} - queues)
    if unserved:
        advice = f"start a worker there: flowq worker --queue {unserved[0]}"
        total = Finding("batches", "warn", f"{found}; nobody consumes {', '.join(unserved)}", advice)
    else:
        total = Finding("batches", "ok", found)
    halves = [unfinished_feed(batch) for batch in running if not batch.fed]
    others = [other_schema(batch) for batch in batches if batch.version != str(SCHEMA_VERSION)]
    lefts = [left_alone(batch) for batch in running if batch.left_by]
    return [total, *halves[:SHOWN], *lefts[:SHOWN], *others[:SHOWN]]


def unfinished_feed(batch: BatchSeen) -> Finding:
    """A batch whose producer died before it had written the last item."""
    found = f"its producer is gone after {batch.written:,} items ({batch.done:,} are done): the rest is not given out"
    advice = "submit it again under its key; else it is cancelled after its retention"
    return Finding(f"batch {batch.id}", "warn", found, advice)


def left_alone(batch: BatchSeen) -> Finding:
    """A batch with chunks that a worker could not run."""
    advice = "start all workers of a queue with the same code and FLOWQ_IMPORTS; what was left waits for one that fits"
    return Finding(f"batch {batch.id}", "warn", f"something of it was left by {batch.left_by}", advice)


def other_schema(batch: BatchSeen) -> Finding:
    """A batch with the ledger schema of another flowq version."""
    found = f"is of ledger schema {batch.version}, this flowq reads {SCHEMA_VERSION}"
    return Finding(f"batch {batch.id}", "warn", found, "keep workers of the flowq that wrote it until it has ended")


def _own_nodes(record: WorkerRecord) -> list[str]:
    return [name for name in record.nodes if not name.startswith(OWN)]


def _known(record: WorkerRecord) -> str:
    names = _own_nodes(record)
    modules = sorted({name.partition(":")[0] for name in names})
    shown = ", ".join(modules[:5]) + (f" and {len(modules) - 5} more" if len(modules) > 5 else "")
    return f"{_count(len(names), 'node class', 'node classes')} of {shown}" if names else "no node classes of yours"


def _count(n: int, one: str, many: str = "") -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"
