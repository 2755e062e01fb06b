"""``Cache``: how long results may be used again, as a value. Never here: where they are kept (memory, the engine)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from flowq.core.canonical import canonical
from flowq.core.functional import NAMELESS
from flowq.core.given import is_number, require_text
from flowq.core.likeness import INSIDE, makings
from flowq.errors import CannotTravel
from flowq.registry import class_name, is_registered, register

# Arguments that say how, and not what, a node's items are run.
_HOW = frozenset(
    (
        *("max_retries", "wait", "retry", "timeout", "name", "on_error", "max_failures"),
        *("concurrency", "in_flight", "rate", "breaker", "cache", "deadline", "chunk_size"),
        *("priority", "queue", "retention_s", "max_items", "policy", "key", "label", "limit", "item_events"),
    )
)


@register
@dataclass(frozen=True)
class Cache:
    """An item whose key had a result within the last *ttl* seconds is given that result, and is not run.

    Only what ``exec`` returned is kept: neither failures nor fallbacks are.

    Attributes:
        ttl: seconds.
        name: nodes whose caches have the same name share it (None: nodes of one class that were made with the same
            arguments and have the same ``params`` do). Change it when ``exec`` has changed.

    Raises:
        ValueError: no time.
    """

    ttl: float
    name: str | None = None

    def __post_init__(self) -> None:
        if self.name is not None:
            require_text("the name of a cache", self.name)
        if not is_number(self.ttl) or self.ttl <= 0:
            raise ValueError(f"ttl is finite and > 0 seconds, not {self.ttl!r}")

    @classmethod
    def of(cls, given: Cache | float) -> Cache:
        """*given*, or the Cache of so many seconds."""
        return given if isinstance(given, Cache) else cls(given)

    def scope(self, node: Any) -> str:
        """What tells results of *node* from those of others: equal wherever the node is made of the same arguments."""
        if self.name is not None:
            return f"named-{_digest(self.name.encode())}"
        args, kwargs = node._arguments
        own = {key: value for key, value in kwargs.items() if key not in _HOW}
        try:
            return f"class-{_digest(_class_text(type(node)) + canonical((tuple(args), own)) + _params_text(node))}"
        except CannotTravel:
            # Nothing tells it from another node but itself. Copies of it have the mark, too.
            mark = vars(node).setdefault("_cache_mark", uuid.uuid4().hex)
        try:
            return f"object-{_digest(mark.encode() + _params_text(node))}"
        except CannotTravel:  # nor one visit from another
            return f"visit-{uuid.uuid4().hex}"


def _class_text(cls: type) -> bytes:
    """What tells nodes of *cls* from others that were made with the same arguments.

    Raises:
        CannotTravel: nothing does.
    """
    name = class_name(cls)
    if any(part in name for part in NAMELESS):
        raise CannotTravel(name, "several lambdas have this name")
    if INSIDE in name:
        return name.encode() + canonical(makings(cls))
    if not is_registered(cls):
        raise CannotTravel(name, "another class has this name now")
    return name.encode()


def _params_text(node: Any) -> bytes:
    return canonical(node.params) if node.params else b""


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=12).hexdigest()
