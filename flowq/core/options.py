"""The keywords of a node, for the signatures of what passes them on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from flowq.core.hooks import AnyHook
from flowq.core.retry import Retry


class Tries(TypedDict, total=False):
    """The keywords that every node has; see :class:`~flowq.core.node.Node`."""

    max_retries: int
    wait: float
    retry: Retry | None
    timeout: float | None
    name: str | None
    config: Mapping[str, Any] | None


class NodeOptions(Tries, total=False):
    """The keywords of a node that is no batch."""

    hooks: Iterable[AnyHook] | None


class Functions(TypedDict, total=False):
    """The functions that become methods of a node beside ``exec``; see :func:`flowq.node`."""

    prep: Callable[..., Any] | None
    post: Callable[..., Any] | None
    exec_fallback: Callable[..., Any] | None


class FunctionOptions(Functions, NodeOptions, total=False):
    """The keywords of ``@flowq.node``."""
