"""How far an item's walk had come when it was left, as the bytes that the ledger keeps of it. Never touches Redis."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowq.codec import dumps, loads
from flowq.core.journey import Frame
from flowq.errors import DecodeError

FORMAT = 1


@dataclass(slots=True)
class Reached:
    """The state of a walk.

    Attributes:
        gen: generation of the batch in which it was kept.
        steps: nodes that are done; name: the last of them; action: what it returned.
        at_s: when that was, in seconds since the epoch.
        frames: where the walk stands.
        child: id and generation of the batch that is waited for.
        floor: hash of a blob of changes {key: hash or None}, "" for none; recent: what came after it. A key whose hash
            is None was deleted.
        until: by fact that is waited for, when that is given up, in seconds since the epoch; once it was, minus the
            place of the last event that was given before. Of further waits of the same node for the same fact, by
            "fact n": n were given up before.
        received: by name, events that the nodes so far have taken.
    """

    gen: int = 0
    steps: int = 0
    name: str = ""
    action: str | None = None
    at_s: float = 0.0
    frames: list[Frame] = field(default_factory=list)
    child: tuple[str, int] | None = None
    floor: str = ""
    recent: dict[str, str | None] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As bytes.

        Raises:
            EncodeError: what a flow's ``prep`` returned cannot travel.
        """
        frames = [frame.to_plain() for frame in self.frames]
        walk = (self.gen, self.steps, self.name, self.action, self.at_s, frames, self.child)
        return dumps((FORMAT, walk, self.floor, self.recent, self.until, self.received))

    @classmethod
    def decode(cls, blob: bytes) -> Reached:
        """The reverse.

        Raises:
            DecodeError: it is none, or one of another release.
        """
        plain = loads(blob)
        try:
            version, walk, floor, recent, until, received = plain
            if version != FORMAT:
                raise DecodeError(f"the state of a walk is in format {version!r}, this flowq reads {FORMAT}")
            gen, steps, name, action, at_s, frames, child = walk
            return cls(
                gen, steps, name, action, at_s, [Frame(*frame) for frame in frames],
                None if child is None else (str(child[0]), int(child[1])), floor, dict(recent), dict(until),
                dict(received),
            )  # fmt: skip
        except (TypeError, ValueError, IndexError) as error:
            raise DecodeError(f"the state of a walk was altered: {error}") from error
