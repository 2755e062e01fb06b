"""Builds a graph from its FlowSpec. Never imports a module, and instantiates only the node classes it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowq.core.node import Node
from flowq.core.spec.models import FlowSpec, NodeRef
from flowq.core.spec.other_arguments import takes_others
from flowq.errors import CannotTravel, UnknownNode
from flowq.portable import text_of
from flowq.registry import is_of_flowq, registered


def build(spec: FlowSpec, resolve: Callable[[str], type] = registered) -> Node[Any, Any]:
    """Build the graph that *spec* describes; returns its first node.

    Args:
        resolve: class name → class; raises KeyError for an unknown name. It must not import.

    Raises:
        UnknownNode: a class is not known in this process.
        CannotTravel: a name is not that of a node class, a class takes other arguments, or a node is among its own
            arguments.
        Exception: any other exception of a constructor.
    """
    return _Builder(spec, resolve).build()


class _Builder:
    """The construction of one graph: first every node from its arguments, then the edges."""

    def __init__(self, spec: FlowSpec, resolve: Callable[[str], type]) -> None:
        self.specs = spec.nodes
        self.resolve = resolve
        self.built: dict[int, Node[Any, Any]] = {}
        self.begun: set[int] = set()

    def build(self) -> Node[Any, Any]:
        for index, spec in enumerate(self.specs):
            node = self.node(index)
            node.params = dict(spec.params)
            if spec.hooks:
                node.listen(spec.hooks, spec.path)
        for index, spec in enumerate(self.specs):
            node = self.built[index]
            node.successors = {action: self.built[target] for action, target in spec.edges.items()}
            if spec.start is not None:
                node.start_node = self.built[spec.start]
        return self.built[0]

    def node(self, index: int) -> Node[Any, Any]:
        if index not in self.built:
            spec = self.specs[index]
            if index in self.begun:
                raise CannotTravel(f"node {spec.label}", "it is among the arguments it is made from")
            self.begun.add(index)
            cls = self.node_class(spec.node)
            args = [self.restored(value) for value in spec.args]
            kwargs = {name: self.restored(value) for name, value in spec.kwargs.items()}
            try:
                self.built[index] = cls(*args, **kwargs)
            except TypeError as error:
                if not takes_others(cls, kwargs, error):
                    raise
                reason = (
                    f"its class has another constructor in this process, probably of another release: {text_of(error)}"
                )
                raise CannotTravel(f"node {spec.label}", reason) from error
        return self.built[index]

    def node_class(self, name: str) -> type[Node[Any, Any]]:
        try:
            cls = self.resolve(name)
        except KeyError:
            reason = "this process has not imported the module that defines it; tell the worker to import it"
            if is_of_flowq(name):
                reason = "this release of flowq does not have it; run the same release on both sides"
            raise UnknownNode(f"node {name}", reason) from None
        if not (isinstance(cls, type) and issubclass(cls, Node)):
            raise CannotTravel(f"node {name}", "the class of that name is not a Node")
        return cls

    def restored(self, value: Any) -> Any:
        if type(value) is NodeRef:
            if not 0 <= value.index < len(self.specs):
                raise CannotTravel("the description of a flow", f"it refers to a node {value.index} that it lacks")
            return self.node(value.index)
        if type(value) in (list, tuple):
            return type(value)(self.restored(one) for one in value)
        if type(value) is dict:
            return {key: self.restored(one) for key, one in value.items()}
        return value
