"""Draws a flow as a Mermaid flowchart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowq.core import graph
from flowq.core.actions import DEFAULT

if TYPE_CHECKING:
    from flowq.core.node import Node

_INDENT = "    "


def draw(flow: Node[Any, Any]) -> str:
    """The flowchart of *flow*: a box per node, a subgraph per node that contains nodes, actions on the arrows."""
    nodes = graph.reachable(flow.start_node)
    ids = {id(node): f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart TD"]
    lines += _boxes(flow.inside(), ids, set(), _INDENT)
    for node in nodes:
        lines += [f"{_INDENT}{ids[id(node)]} {_arrow(label)} {ids[id(to)]}" for label, to in graph.edges(node)]
    return "\n".join(lines) + "\n"


def _boxes(starts: list[Node[Any, Any]], ids: dict[int, str], drawn: set[int], indent: str) -> list[str]:
    lines: list[str] = []
    for node in graph.level(starts):
        if id(node) in drawn:
            continue
        drawn.add(id(node))
        own, label = ids[id(node)], _quoted(node.name)
        if not node.inside():
            lines.append(f"{indent}{own}[{label}]")
        else:
            inside = _boxes(node.inside(), ids, drawn, indent + _INDENT)
            lines += [f"{indent}subgraph {own}[{label}]", *inside, f"{indent}end"]
    return lines


def _arrow(label: str) -> str:
    return "-->" if label == DEFAULT else f"-- {_quoted(label)} -->"


def _quoted(text: str) -> str:
    # Mermaid ends a quoted text at the first quotation mark; special characters are written as its own entities.
    return '"' + text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;") + '"'
