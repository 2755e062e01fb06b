"""FlowSpec: a graph as data – class names, constructor arguments, edges. Re-exports the modules that make and read it.

Attributes set after construction, such as a name, are not included, except params and edges.
"""

from __future__ import annotations

from flowq.core.describe import spec_of
from flowq.core.rebuild import build
from flowq.core.spec_models import FlowSpec, NodeRef, NodeSpec

__all__ = ["FlowSpec", "NodeRef", "NodeSpec", "build", "spec_of"]
