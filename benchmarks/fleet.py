"""``python -m benchmarks.fleet --slots 1000 --item-ms 1000 --payload 1000``: what a fleet asks of its one Redis.

The model behind docs/scaling.md. Its prices are what `benchmarks.commands` and `benchmarks.simulate` measured; another
machine's are given as options. Talks to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import click

from flowq.batch.sizing import BUDGET_S
from flowq.engine.pages import page_bytes

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
        gap_s: between two messages of a slot.
    """

    chunk_trips: float = 2.0
    message_trips: float = 4.0
    chunk_in_bytes: float = 1_850.0
    chunk_out_bytes: float = 400.0
    message_in_bytes: float = 4_200.0
    message_out_bytes: float = 300.0
    script_us: float = 92.0
    trip_us: float = 5.0
    wake_us: float = 33.0
    kb_us: float = 1.7
    worker_trips: float = 5.0
    worker_bytes: float = 2_050.0
    worker_us: float = 400.0
    gap_s: float = 0.004


@dataclass(frozen=True, slots=True)
class Load:
    """What a fleet asks of Redis, a second; ``cpu`` is the share of its one core, ``work`` that of a full one's."""

    chunks: float
    items: float
    trips: float
    in_bytes: float
    out_bytes: float
    work: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """Slots that have always something to do.

    Attributes:
        slots: of all workers together; ``slots_a_worker`` of each.
        item_s: seconds of an item.
        payload_bytes: of an item, and again of its value.
    """

    slots: float
    item_s: float
    payload_bytes: int = 0
    slots_a_worker: int = 8

    @property
    def chunk_items(self) -> float:
        """Items that ride in one chunk: what fits the budget, at least one."""
        return max(1.0, BUDGET_S / self.item_s)

    @property
    def chunks_a_message(self) -> int:
        """A process goes on with a second chunk where the first left some of its budget, as whole items mostly do."""
        return 2 if self.item_s < BUDGET_S else 1

    @property
    def read_bytes(self) -> float:
        """Bytes of items that a chunk reads: its own, and what else lies in its page and was not read for another."""
        own = self.chunk_items * self.payload_bytes
        return max(own, min(page_bytes(int(self.slots)), self.slots * own))

    @property
    def reads(self) -> float:
        """Round trips of a chunk for pages; small ones come with the claim."""
        page = page_bytes(int(self.slots))
        return min(1.0, self.read_bytes / page) if min(page, self.slots * self.payload_bytes) > BROUGHT_BYTES else 0.0

    def load(self, prices: Prices) -> Load:
        """What they ask when nothing holds them up."""
        n = self.chunk_items
        messages = self.slots / (self.chunks_a_message * n * self.item_s + prices.gap_s)
        chunks = messages * self.chunks_a_message
        workers = self.slots / self.slots_a_worker
        events = workers * _gathered(BURSTS * messages / workers, EVENTS_EVERY_S)
        figures = self.slots * _gathered(messages / self.slots, METER_EVERY_S)
        trips = chunks * (prices.chunk_trips + self.reads) + messages * prices.message_trips
        trips += events + figures + workers * prices.worker_trips
        values = n * self.payload_bytes
        # Items come in once and their values go out once, beside what the slots read and write.
        moved = 2 * values + self.read_bytes + values
        # A trip that finds the server at work costs no waking: of all trips the share 1 - cpu does.
        waking = trips * prices.wake_us / 1e6
        work_us = trips * prices.trip_us + chunks * (prices.script_us + moved / 1000 * prices.kb_us)
        work = (work_us + workers * prices.worker_us) / 1e6
        return Load(
            chunks, chunks * n, trips,
            chunks * (prices.chunk_in_bytes + 2 * values) + messages * prices.message_in_bytes
            + workers * prices.worker_bytes,
            chunks * (prices.chunk_out_bytes + self.read_bytes + values) + messages * prices.message_out_bytes,
            work, min(1.0, (work + waking) / (1 + waking)),
        )  # fmt: skip

    def full_at(self, prices: Prices, *, full: float = 0.9) -> int:
        """Slots of this kind that bring one Redis to *full* of its one core."""
        low, high = 1.0, 1e7
        for _ in range(60):
            middle = (low + high) / 2
            beyond = Fleet(middle, self.item_s, self.payload_bytes, self.slots_a_worker).load(prices).cpu >= full
            low, high = (low, middle) if beyond else (middle, high)
        return int(low)


def _gathered(per_s: float, every_s: float) -> float:
    """Messages a second of what comes *per_s* and waits *every_s* for others."""
    return per_s / (1 + per_s * every_s)


def lines(fleet: Fleet, prices: Prices) -> list[tuple[str, str]]:
    """What the calculator prints."""
    load = fleet.load(prices)
    return [
        ("slots", f"{fleet.slots:,.0f} in {fleet.slots / fleet.slots_a_worker:,.0f} workers"),
        ("items in a chunk", f"{fleet.chunk_items:,.0f}"),
        ("chunks a second", f"{load.chunks:,.0f}"),
        ("items a second", f"{load.items:,.0f}"),
        ("round trips a second", f"{load.trips:,.0f}"),
        ("MB a second into Redis", f"{load.in_bytes / 1e6:,.1f}"),
        ("MB a second out of Redis", f"{load.out_bytes / 1e6:,.1f}"),
        ("of Redis' one core", f"{load.cpu:.0%}" if load.work < 1 else "more than there is"),
        ("one Redis is full (90 %) at", f"{fleet.full_at(prices):,} such slots"),
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
@_options
def main(slots: int, item_ms: float, payload: int, slots_a_worker: int, **prices: float) -> None:
    """What a fleet asks of its one Redis."""
    for what, figure in lines(Fleet(slots, item_ms / 1000, payload, slots_a_worker), Prices(**prices)):
        click.echo(f"{what:30} {figure}")


if __name__ == "__main__":
    main()
