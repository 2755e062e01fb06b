"""The saved state of an item's walk, as the bytes that the ledger keeps. Never touches Redis."""

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
        gen: generation of the batch in which it was saved.
        steps: number of completed nodes; name: the last of them; action: what it returned.
        at_s: when the last of them completed, in seconds since the epoch.
        frames: the walk's position.
        child: id and generation of the batch that it waits for.
        floor: hash of a blob of changes {key: hash or None}, "" for none; recent: the changes after it. None stands for
            a deleted key.
        until: by awaited fact, when the wait times out, in seconds since the epoch; once it has, minus the number of
            the last event that was received before. The key of a later wait of the same node for the same fact is
            "fact n", where n earlier waits timed out.
        received: by event name, the number of events that the walk's nodes have received.
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
        """Encode the state.

        Raises:
            EncodeError: a value returned by a flow's ``prep`` cannot be encoded.
        """
        frames = [frame.to_plain() for frame in self.frames]
        walk = (self.gen, self.steps, self.name, self.action, self.at_s, frames, self.child)
        return dumps((FORMAT, walk, self.floor, self.recent, self.until, self.received))

    @classmethod
    def decode(cls, blob: bytes) -> Reached:
        """Decode a state.

        Raises:
            DecodeError: it is not a state, or one of another release.
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
