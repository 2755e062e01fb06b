"""Every Redis key of flowq, its type, lifetime and owner. No other file spells a key.

| key                         | type   | lifetime                     | written by                        |
|-----------------------------|--------|------------------------------|-----------------------------------|
| {p}:{batch}:meta … :place   | mixed  | retention after the close    | the ledger's acts (lua/lib.lua)   |
| {p}:{root}:starved          | set    | an hour                      | the acts of a root's family       |
| {p}:{batch}:fold            | hash   | a day, then retention        | folds and finish (folds.py)       |
| {p}:{batch}:said            | hash   | an hour after the last one   | reports.py                        |
| {p}:{batch}:lack            | string | minutes after the last one   | lacks.py                          |
| {p}:{batch}:closed          | pubsub | –                            | the act that closes a generation  |
| {p}:{batch}:finished        | pubsub | –                            | finish                            |
| {p}:{scope}:blob:{hash}     | string | a month, then retention      | snapshots.py                      |
| {p}:{batch}:held            | set    | a month, or until the end    | snapshots.py                      |
| {p}:{batch}:booked:{index}  | string | until its start has passed   | permit (permits.py)               |
| {p}:rate:{scope}:{key}      | string | a minute after the last one  | permit, pause (permits.py)        |
| {p}:breaker:{scope}         | hash   | an hour after a failure      | circuit_ask, circuit_tell         |
| {p}:cache:{scope}:{key}     | string | the cache's ttl              | memo.py                           |
| {p}:batches                 | zset   | an id until it is confirmed  | the ledger's acts (lua/lib.lua)   |
| {p}:catalog                 | zset   | an id for its retention      | append, catalog.py                |
| {p}:totals                  | hash   | a month after the last one   | meter.py                          |
| {p}:workers                 | zset   | 3 × the beat                 | presence.py                       |
| {p}:worker:{entry}          | hash   | 3 × the beat                 | presence.py                       |
| {p}:caretaker:v{versions}   | string | one wake interval            | caretaker                         |
| {p}:later                   | set    | a week after the last one    | later.py                          |
| {p}:later:{queue}:{task}    | list   | a week after the last one    | later.py                          |
| {p}:{trial}:…               | string | seconds                      | permissions.py (`flowq doctor`)   |
| {p}:/{db}.celery…           | pubsub | –                            | Celery's remote control, events   |
"""

from __future__ import annotations

from hashlib import blake2b

LEDGER = (
    "meta",
    "open",
    "wake",
    "pages",
    "index",
    "parked",
    "out",
    "failed",
    "redo",
    "part",
    "saved",
    "facts",
    "waits",
    "left",
    "line",
    "place",
)


class Keys:
    """Key names under one prefix. The batch id is the hash tag, so that a batch's keys live in one slot."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.batches = f"{prefix}:batches"
        self.catalog = f"{prefix}:catalog"
        self.totals = f"{prefix}:totals"
        self.workers = f"{prefix}:workers"
        self.later = f"{prefix}:later"

    def ledger(self, batch_id: str) -> list[str]:
        """The keys passed to every act, in its order: the batch's own keys, then the two indexes that list it."""
        return [*self.own(batch_id), self.batches, self.catalog]

    def own(self, batch_id: str) -> list[str]:
        """The keys that the acts write for this batch only."""
        return [f"{self.prefix}:{{{batch_id}}}:{part}" for part in LEDGER]

    def pattern(self, owner: str = "*") -> str:
        """A ``SCAN`` pattern for every key of one batch or run (*owner*), or of all."""
        return f"{self.prefix}:{{{owner}}}:*"

    def owner(self, key: str) -> str:
        """The batch or run that a key belongs to."""
        return key.partition("{")[2].partition("}")[0]

    def head(self, kind: str, entry_id: str) -> str | None:
        """The key whose lifetime an entry of the catalogue shares; None for a kind unknown to this flowq."""
        return self.meta(entry_id) if kind in ("batch", "run") else None

    def meta(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:meta"

    def of(self, batch_id: str, part: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:{part}"

    def held(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:held"

    def fold(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:fold"

    def said(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:said"

    def lack(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:lack"

    def starved(self, root: str) -> str:
        return f"{self.prefix}:{{{root}}}:starved"

    def closed_channel(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:closed"

    def finished_channel(self, batch_id: str) -> str:
        return f"{self.prefix}:{{{batch_id}}}:finished"

    def blob(self, scope: str, content_hash: str) -> str:
        return f"{self.prefix}:{{{scope}}}:blob:{content_hash}"

    def booking(self, batch_id: str, index: int) -> str:
        return f"{self.prefix}:{{{batch_id}}}:booked:{index}"

    def bucket(self, name: str | None, batch_id: str, rate: int, key: str) -> str:
        """The bucket for one key of a rate: shared under the rate's name, or of the *rate*-th rate of a batch."""
        scope = f"{batch_id}:{rate}" if name is None else f"named-{_digest(name)}"
        return f"{self.prefix}:rate:{scope}:{_digest(key)}"

    def circuit(self, name: str | None, batch_id: str) -> str:
        return f"{self.prefix}:breaker:{batch_id if name is None else f'named-{_digest(name)}'}"

    def result(self, scope: str, key: str) -> str:
        return f"{self.prefix}:cache:{scope}:{_digest(key)}"

    def worker(self, entry: str) -> str:
        return f"{self.prefix}:worker:{entry}"

    def caretaker(self, schema: int, codec: int) -> str:
        """The lock of a caretaker's round: one per pair of versions, as a worker only handles batches it can read."""
        return f"{self.prefix}:caretaker:v{schema}.{codec}"

    def remote_control(self, db: int) -> str:
        """The pattern that Celery's workers subscribe to for remote control."""
        return f"{self.prefix}:/{db}.celery.pidbox"

    def acl(self, user: str, db: int) -> str:
        """The ACL that allows a user what producers, workers and Flower do here, and nothing else."""
        p = f"{self.prefix}:"
        # Redis allows a pattern subscription only if the ACL holds literally the same pattern.
        events = f"&{p}/{db}.celeryev/* &{p}/{db}.celeryev/worker.*"
        channels = f"&{p}* &{self.remote_control(db)} {events}"
        return f"ACL SETUSER {user} resetkeys ~{p}* resetchannels {channels} +@all -@dangerous +info"

    def later_of(self, queue: str, task: str) -> str:
        return f"{self.prefix}:later:{queue}:{task}"


def _digest(text: str) -> str:
    # The key of a user's function may contain anything, and be of any length.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
