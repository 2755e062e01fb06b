"""Cache: the policy for reusing results by key, as a value. The results are kept by a Memo (running/gate.py)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from flowq.core.functional import NAMELESS
from flowq.core.given import is_number, require_text
from flowq.core.spec.canonical import canonical
from flowq.core.spec.likeness import INSIDE, class_contents
from flowq.errors import CannotTravel
from flowq.registry import class_name, is_registered, register

# Constructor arguments that do not affect results, and so are not part of a cache's scope.
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
    """Reuse results: an item whose key got a result within the last *ttl* seconds gets that result and is not run.

    Only return values of ``exec`` are cached, neither failures nor fallbacks.

    Attributes:
        ttl: seconds.
        name: nodes whose caches have the same name share results (None: nodes of one class with the same constructor
            arguments and ``params`` do). Change it when ``exec`` changes.

    Raises:
        ValueError: *ttl* is not finite and above 0.
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
        """*given*, or a Cache with that ``ttl`` in seconds."""
        return given if isinstance(given, Cache) else cls(given)

    def scope(self, node: Any) -> str:
        """The name under which results of *node* are shared: equal for the same class, arguments and params."""
        if self.name is not None:
            return f"named-{_digest(self.name.encode())}"
        args, kwargs = node._arguments
        own = {key: value for key, value in kwargs.items() if key not in _HOW}
        try:
            return f"class-{_digest(_class_text(type(node)) + canonical((tuple(args), own)) + _params_text(node))}"
        except CannotTravel:
            # Not comparable by value: a mark on the node, which its copies get too.
            mark = vars(node).setdefault("_cache_mark", uuid.uuid4().hex)
        try:
            return f"object-{_digest(mark.encode() + _params_text(node))}"
        except CannotTravel:  # params not comparable either: no sharing between visits
            return f"visit-{uuid.uuid4().hex}"


def _class_text(cls: type) -> bytes:
    """What distinguishes *cls* from other classes, in every process.

    Raises:
        CannotTravel: the class has no unique name.
    """
    name = class_name(cls)
    if any(part in name for part in NAMELESS):
        raise CannotTravel(name, "several lambdas have this name")
    if INSIDE in name:
        return name.encode() + canonical(class_contents(cls))
    if not is_registered(cls):
        raise CannotTravel(name, "another class has this name now")
    return name.encode()


def _params_text(node: Any) -> bytes:
    return canonical(node.params) if node.params else b""


def _digest(text: bytes) -> str:
    return blake2b(text, digest_size=12).hexdigest()
