"""``python -m benchmarks [NAME …]``: every comparison of ``make bench``, or those whose name is given."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from functools import partial

from benchmarks import nodes, work
from benchmarks.machine import Machine, machine
from benchmarks.table import Cell, Row, interleaved, show

ROUNDS = 5
STORE_BYTES = 1 << 20


def noops(m: Machine) -> list[Row]:
    """10,000 no-op items: beside a chord of one task an item, and Celery's chunks of 100."""
    from benchmarks import celery_app

    n = 10_000
    cells = interleaved(
        {
            "flowq": lambda: nodes.Noop().map(range(n)),
            "chunks(100)": lambda: celery_app.run_chunks(n),
        },
        ROUNDS,
    )
    # The chord takes ten seconds a run: fewer rounds, each beside a run of flowq.
    beside = interleaved(
        {"flowq": lambda: nodes.Noop().map(range(n)), "plain chord": lambda: celery_app.run_chord(n)}, 3
    )
    return [
        Row("10,000 no-op items", beside["flowq"], beside["plain chord"], True, 100),
        Row("10,000 no-op items", cells["flowq"], cells["chunks(100)"], True, 3),
    ]


def latency(m: Machine) -> list[Row]:
    """A batch of 1 beside one plain task and back; a batch of 10 beside a chord of 10."""
    from benchmarks import celery_app

    one = interleaved({"flowq": lambda: nodes.Noop().map([1]), "one task": celery_app.run_single}, 40)
    ten = interleaved(
        {"flowq": lambda: nodes.Noop().map(range(10)), "chord of 10": lambda: celery_app.run_chord(10)}, 20
    )
    return [
        Row("batch of 1", one["flowq"], one["one task"], False, 1.5),
        Row("batch of 10", ten["flowq"], ten["chord of 10"], False, 1.0),
    ]


def ideal(m: Machine) -> list[Row]:
    """CPU and sleeping items beside Pool(2) with chunksize 1: the same item times, in the same run."""
    rate = work.loops_per_s()
    ten_ms = [int(rate * 0.010)] * 400
    skewed = [int(rate * (0.2 if i % 50 == 0 else 0.0005)) for i in range(2000)]
    naps = [0.3] * 20
    rows = []
    for what, node, fn, items, bar in (
        ("400 x 10 ms CPU", nodes.Burn, work.burn, ten_ms, 1.07),
        ("20 x 300 ms", nodes.Nap, work.nap, naps, 1.05),
        ("2,000 items, every 50th 400 x slower", nodes.Burn, work.burn, skewed, 1.08),
    ):
        cells = interleaved(
            {"flowq": partial(node().map, items), "Pool(2)": partial(m.pool.map, fn, items, chunksize=1)}, ROUNDS
        )
        rows.append(Row(what, cells["flowq"], cells["Pool(2)"], False, bar))
    return rows


def awaits(m: Machine) -> list[Row]:
    """2,000 async items of 50 ms, 100 in flight in each of 2 processes, beside asyncio.gather in each of 2."""
    cells = interleaved(
        {
            "flowq": partial(nodes.AsyncNap(in_flight=100).map, [0.05] * 2000),
            "asyncio.gather x 2": partial(m.pool.map, work.gather, [(1000, 0.05, 100)] * 2, chunksize=1),
        },
        ROUNDS,
    )
    return [Row("2,000 awaits of 50 ms", cells["flowq"], cells["asyncio.gather x 2"], False, 2.0)]


def shared_store(m: Machine) -> list[Row]:
    """Bytes through Redis: 2,000 BatchFlow items with a 1 MiB store, beside a chord that carries it in every task."""
    from benchmarks import celery_app

    context = "".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=STORE_BYTES))
    items, chord_items = 2000, 100
    flow = nodes.StoreFlow(start=nodes.UseStore())
    ours, chord = [], []
    for _ in range(3):
        ours.append(m.bytes_of(partial(flow.run, {"context": context, "count": items})) / 1e6)
        # 2,000 MiB of messages would be all of a small machine's memory: measured at 100 tasks and scaled.
        chord.append(m.bytes_of(partial(celery_app.run_weigh, context, chord_items)) / 1e6 * items / chord_items)
    return [
        Row("MB through Redis: 2,000 items, 1 MiB store", Cell("flowq", ours, "MB"),
            Cell("chord with the store (at 100, scaled)", chord, "MB"), True, 500)
    ]  # fmt: skip


def nested(m: Machine) -> list[Row]:
    """50 x 50 nested items of 10 ms beside 2,500 flat ones."""
    cells = interleaved(
        {
            "flowq": lambda: nodes.Fifty(nodes.FiftyNaps()).run({}),
            "flat": lambda: nodes.Nap().map([0.01] * 2500),
        },
        ROUNDS,
    )
    return [Row("50 x 50 nested items of 10 ms", cells["flowq"], cells["flat"], False, 1.15)]


def checkpoints(m: Machine) -> list[Row]:
    """Bytes sent to Redis by a durable run over a 200 MiB store, 100 of whose steps change one small key each."""
    chance = random.Random(7)
    store = {f"part {number}": chance.randbytes(STORE_BYTES) for number in range(200)}
    ours, size = [], sum(map(len, store.values())) / 2**20
    for _ in range(3):
        before = m.received()
        result = nodes.counting(100).submit(store).result(timeout=300)
        ours.append((m.received() - before) / 2**20)
        assert result.shared["count"] == 100
        assert result.shared["part 7"] == store["part 7"]
    return [
        Row("MiB sent: 200 MiB store, 100 steps", Cell("flowq", ours, "MiB"), Cell("the store", [size], "MiB"), False,
            1.05)
    ]  # fmt: skip


BENCHES: dict[str, Callable[[Machine], list[Row]]] = {
    "noops": noops, "latency": latency, "ideal": ideal, "awaits": awaits, "store": shared_store,
    "nested": nested, "checkpoints": checkpoints,
}  # fmt: skip


def main(names: list[str]) -> None:
    unknown = set(names) - set(BENCHES)
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    rows: list[Row] = []
    with machine() as m:
        for name, bench in BENCHES.items():
            if not names or name in names:
                rows += bench(m)
    show(rows, [])


if __name__ == "__main__":
    main(sys.argv[1:])
