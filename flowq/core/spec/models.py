"""The pydantic models of a graph as data. describe.py makes them from nodes, rebuild.py makes nodes from them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from flowq.core.spec.canonical import canonical
from flowq.errors import CannotTravel
from flowq.registry import class_name, current_name, register

_FORMAT = 1


@register
@dataclass(frozen=True)
class NodeRef:
    """A reference to the node at *index* of the spec, in the arguments of another node's constructor."""

    index: int


class NodeSpec(BaseModel):
    """One node of a graph.

    Attributes:
        node: the class, ``module:QualName``.
        args: positional arguments of its constructor; nodes among them are ``NodeRef``.
        kwargs: keyword arguments, likewise.
        params: the node's own ``params``.
        edges: action → index of the successor in ``FlowSpec.nodes``.
        start: index of a flow's start node.
        hooks: the hooks that are sent to workers, as instances or classes. They are not part of the content hash.
        path: the node's path in its original graph, for its hooks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    params: dict[str, Any] = {}
    edges: dict[str, int] = {}
    start: int | None = None
    hooks: tuple[Any, ...] = ()
    path: str = ""

    @property
    def label(self) -> str:
        """The class without its module, for messages."""
        return self.node.partition(":")[2]


class FlowSpec(BaseModel):
    """A graph; the first node is its root, a flow or a single node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    nodes: tuple[NodeSpec, ...]

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        if self.format != _FORMAT:
            raise ValueError(f"the graph is in format {self.format}; this flowq reads format {_FORMAT}")
        if not self.nodes:
            raise ValueError("a graph has at least one node")
        for spec in self.nodes:
            targets = list(spec.edges.values()) + ([] if spec.start is None else [spec.start])
            if not all(0 <= target < len(self.nodes) for target in targets):
                raise ValueError(f"an edge of {spec.label} leads out of the graph")
        return self

    def content_hash(self) -> str:
        """32 hex digits that are equal for equal graphs, in every process.

        Raises:
            CannotTravel: an argument is not data; names the node and the argument.
        """
        digest = hashlib.blake2b(digest_size=16)
        for spec in self.nodes:
            digest.update(canonical([spec.node, spec.edges, spec.start]))
            for place, value in enumerate(spec.args):
                digest.update(canonical([place], "") + canonical(value, f"argument {place + 1} of node {spec.label}"))
            for name, value in sorted(spec.kwargs.items()):
                digest.update(canonical(name) + canonical(value, f"argument {name!r} of node {spec.label}"))
            digest.update(canonical(spec.params, f"params of node {spec.label}"))
        return digest.hexdigest()

    def class_names(self) -> set[str]:
        """The names of the classes that a process needs to build the graph: of its nodes and their hooks."""
        hooks = [hook if isinstance(hook, type) else type(hook) for spec in self.nodes for hook in spec.hooks]
        return {current_name(spec.node) for spec in self.nodes} | {class_name(hook) for hook in hooks}

    def to_plain(self) -> dict[str, Any]:
        """The graph as dicts and lists for the codec; arguments are left as they are."""
        return {"format": self.format, "nodes": [_plain(one) for one in self.nodes]}

    @classmethod
    def from_plain(cls, data: Any) -> FlowSpec:
        """The graph from the data that :meth:`to_plain` returned.

        Raises:
            CannotTravel: *data* is not valid.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as exc:
            raise CannotTravel("the description of a flow", str(exc)) from exc


def _plain(spec: NodeSpec) -> dict[str, Any]:
    plain = {name: getattr(spec, name) for name in NodeSpec.model_fields}
    # Left out when empty: a release of flowq without hooks can read the graph.
    return plain if spec.hooks else {name: value for name, value in plain.items() if name not in ("hooks", "path")}
