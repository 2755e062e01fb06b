"""FlowSpec: a graph as data – class names, constructor arguments, edges. Re-exports the modules that make and read it.

Attributes set after construction, such as a name, are not included, except params and edges.
"""

from __future__ import annotations

from flowq.core.spec.describe import spec_of
from flowq.core.spec.models import FlowSpec, NodeRef, NodeSpec
from flowq.core.spec.rebuild import build

__all__ = ["FlowSpec", "NodeRef", "NodeSpec", "build", "spec_of"]
