"""``python -m benchmarks.fleet --slots 1000 --item-ms 1000 --payload 1000``: what a fleet asks of its one Redis.

The model behind docs/scaling.md. Its prices are what `benchmarks.commands` and `benchmarks.simulate` measured; another
machine's are given as options. Talks to nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import click

from flowq.batch.running.sizing import BUDGET_S
from flowq.engine.stored.pages import page_bytes

EVENTS_EVERY_S = 0.05  # a worker's task events wait so long for others
BURSTS = 2  # of events for a chunk: received and started, succeeded
METER_EVERY_S = 1.0  # a slot's figures wait so long for others
BROUGHT_BYTES = 4_500  # pages cut to be so small come with the claim


@dataclass(frozen=True, slots=True)
class Prices:
    """What Redis pays, for flowq, kombu and Celery's events together.

    Attributes:
        chunk_trips: round trips of a chunk: claim and commit.
        message_trips: of a message: publishing, asking, noting, acknowledging; what is gathered is counted apart.
        chunk_in_bytes, chunk_out_bytes: of a chunk, without its items and values.
        message_in_bytes, message_out_bytes: of a message, its events included.
        script_us: CPU of the server in flowq's scripts, of a chunk, in microseconds.
        trip_us: of a server at work for one round trip, beside the scripts.
        wake_us: what it costs on top if the server was idle before it.
        kb_us: CPU of the server for 1,000 bytes of items and values.
        worker_trips, worker_bytes, worker_us: of a worker, a second, whether it works or not; the last in scripts.
        page_trips, page_us: of a page that is written and dropped again while the batch runs.
        result_trips, result_us: of the values of a chunk that are read and dropped again while the batch runs.
        gap_s: between two messages of a slot, beside the round trips that it waits for.
        chunk_waits, message_waits: round trips that a slot waits for, one after another: of a chunk (claim, commit),
            of a message (publishing, acknowledging, asking, noting).
    """

    chunk_trips: float = 2.0
    message_trips: float = 4.0
    chunk_in_bytes: float = 1_850.0
    chunk_out_bytes: float = 400.0
    message_in_bytes: float = 4_200.0
    message_out_bytes: float = 300.0
    script_us: float = 92.0
    trip_us: float = 11.0
    wake_us: float = 17.0
    kb_us: float = 1.2
    worker_trips: float = 5.0
    worker_bytes: float = 2_050.0
    worker_us: float = 400.0
    page_trips: float = 1.0
    page_us: float = 100.0
    result_trips: float = 0.1
    result_us: float = 30.0
    gap_s: float = 0.004
    chunk_waits: float = 2.0
    message_waits: float = 4.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a fleet asks of Redis, a second; ``cpu`` is the share of its one core, ``work`` that of a full one's.

    ``standing`` is the part of ``work`` that grows with the workers and not with their chunks.
    """

    chunks: float
    items: float
    trips: float
    in_bytes: float
    out_bytes: float
    work: float
    standing: float
    cpu: float

    def held_to(self, share: float) -> Load:
        """What comes of it where Redis has *share* of a core: what is too much waits; nothing wakes a full Redis."""
        kept = min(1.0, (share - self.standing) / (self.work - self.standing))
        slower = {name: kept * getattr(self, name) for name in ("chunks", "items", "trips", "in_bytes", "out_bytes")}
        return replace(self, **slower, work=min(self.work, share), cpu=min(self.cpu, share))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Slots that have always something to do.

    Attributes:
        slots: of all workers together; ``slots_a_worker`` of each.
        item_s: seconds of an item.
        payload_bytes: of an item, and again of its value.
        is_fed: items are written and values are read while it works; False: items lay there, and nobody reads yet.
        network_s: the round trip of the network, Redis' own time not included.
    """

    slots: float
    item_s: float
    payload_bytes: int = 0
    slots_a_worker: int = 8
    is_fed: bool = True
    network_s: float = 0.0

    @property
    def chunk_items(self) -> float:
        """Items that ride in one chunk: what fits the budget, at least one."""
        return max(1.0, BUDGET_S / self.item_s)

    @property
    def chunks_a_message(self) -> int:
        """A process goes on with a second chunk where the first left some of its budget, as whole items mostly do."""
        return 2 if self.item_s < BUDGET_S else 1

    @property
    def page(self) -> float:
        """Bytes of a page of items; one item may be larger than what is set for pages."""
        return max(page_bytes(int(self.slots)), self.payload_bytes)

    @property
    def read_bytes(self) -> float:
        """Bytes of items that a chunk reads: its own, and what else lies in its page and was not read for another."""
        own = self.chunk_items * self.payload_bytes
        return max(own, min(self.page, self.slots * own))

    @property
    def reads(self) -> float:
        """Round trips of a chunk for pages; small ones come with the claim."""
        return (
            min(1.0, self.read_bytes / self.page)
            if min(self.page, self.slots * self.payload_bytes) > BROUGHT_BYTES
            else 0.0
        )

    def cycle_s(self, prices: Prices) -> float:
        """Seconds from one message of a slot to its next."""
        m = self.chunks_a_message
        waits = prices.message_waits + m * (prices.chunk_waits + self.reads)
        return m * self.chunk_items * self.item_s + prices.gap_s + waits * self.network_s

    def load(self, prices: Prices) -> Load:
        """What they ask when nothing holds them up."""
        n, m = self.chunk_items, self.chunks_a_message
        messages = self.slots / self.cycle_s(prices)
        chunks, workers = messages * m, self.slots / self.slots_a_worker
        values = n * self.payload_bytes
        pages, results = (chunks * values / self.page, chunks) if self.is_fed else (0.0, 0.0)
        events = workers * _gathered(BURSTS * messages / workers, EVENTS_EVERY_S)
        figures = self.slots * _gathered(messages / self.slots, METER_EVERY_S)
        trips = chunks * (prices.chunk_trips + self.reads) + messages * prices.message_trips + events + figures
        trips += pages * prices.page_trips + results * prices.result_trips
        # A value comes in; where the fleet is fed, its item did too, and the value goes out.
        brought, fetched = (2 * values, self.read_bytes + values) if self.is_fed else (values, self.read_bytes)
        work_us = trips * prices.trip_us + pages * prices.page_us + results * prices.result_us
        work_us += chunks * (prices.script_us + (brought + fetched) / 1000 * prices.kb_us)
        standing = workers * (prices.worker_us + prices.worker_trips * prices.trip_us) / 1e6
        trips += workers * prices.worker_trips
        work = work_us / 1e6 + standing
        # A trip that finds the server at work costs no waking: of all trips the share 1 - cpu does.
        waking = trips * prices.wake_us / 1e6
        return Load(
            chunks, chunks * n, trips,
            chunks * (prices.chunk_in_bytes + brought) + messages * prices.message_in_bytes
            + workers * prices.worker_bytes,
            chunks * (prices.chunk_out_bytes + fetched) + messages * prices.message_out_bytes,
            work, standing, min(1.0, (work + waking) / (1 + waking)),
        )  # fmt: skip

    def full_at(self, prices: Prices, *, full: float = 0.9) -> int:
        """Slots of this kind that bring one Redis to *full* of its one core."""
        return self._slots_where(lambda load: load.cpu >= full, prices)

    def most(self, prices: Prices, share: float = 1.0) -> int:
        """Slots of this kind that ask for all the work that *share* of a core can do."""
        return self._slots_where(lambda load: load.work >= share, prices)

    def _slots_where(self, holds: Callable[[Load], bool], prices: Prices) -> int:
        low, high = 1.0, 1e7
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if holds(replace(self, slots=middle).load(prices)) else (middle, high)
        return int(low)


def _gathered(per_s: float, every_s: float) -> float:
    """Messages a second of what comes *per_s* and waits *every_s* for others."""
    return per_s / (1 + per_s * every_s)


def lines(fleet: Fleet, prices: Prices, share: float = 1.0) -> list[tuple[str, str]]:
    """What the calculator prints."""
    asked = fleet.load(prices)
    load = asked.held_to(share)
    full = asked.work > share
    late_s = fleet.cycle_s(prices) * (asked.chunks / load.chunks - 1) / fleet.chunks_a_message
    return [
        ("slots", f"{fleet.slots:,.0f} in {fleet.slots / fleet.slots_a_worker:,.0f} workers"),
        ("items in a chunk", f"{fleet.chunk_items:,.0f}"),
        ("chunks a second", f"{load.chunks:,.0f}" + (f" of {asked.chunks:,.0f}" if full else "")),
        ("items a second", f"{load.items:,.0f}"),
        ("round trips a second", f"{load.trips:,.0f}"),
        ("MB a second into Redis", f"{load.in_bytes / 1e6:,.1f}"),
        ("MB a second out of Redis", f"{load.out_bytes / 1e6:,.1f}"),
        ("of Redis' one core", f"{load.cpu:.0%}" + (f", all it has: a chunk waits {late_s:.2f} s" if full else "")),
        *([("one Redis is full (90 %) at", f"{fleet.full_at(prices):,} such slots")] if share == 1 else []),
        ("and does all it can for", f"{fleet.most(prices, share):,}"),
    ]


def _options(command: click.Command) -> click.Command:
    for one in reversed(fields(Prices)):
        name = f"--{one.name.replace('_', '-')}"
        command = click.option(name, one.name, type=float, default=one.default, show_default=True)(command)
    return command


@click.command()
@click.option("--slots", type=int, default=100, show_default=True)
@click.option("--item-ms", type=float, default=1000.0, show_default=True, help="Milliseconds of an item.")
@click.option("--payload", type=int, default=1000, show_default=True, help="Bytes of an item, and of its value.")
@click.option("--slots-a-worker", type=int, default=8, show_default=True)
@click.option("--network-ms", type=float, default=0.0, show_default=True, help="Milliseconds of its round trip.")
@click.option("--share", type=float, default=1.0, show_default=True, help="Of a core that Redis has.")
@_options
def main(
    slots: int, item_ms: float, payload: int, slots_a_worker: int, network_ms: float, share: float, **prices: float
) -> None:
    """What a fleet asks of its one Redis."""
    fleet = Fleet(slots, item_ms / 1000, payload, slots_a_worker, network_s=network_ms / 1000)
    for what, figure in lines(fleet, Prices(**prices), share):
        click.echo(f"{what:30} {figure}")


if __name__ == "__main__":
    main()
