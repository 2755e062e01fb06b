"""A graph as data: its nodes by class name, their constructor arguments, their edges. The door to what deals with it.

What a node was given after its construction (attributes, a name set later) is not in it, its params and edges excepted.
"""

from __future__ import annotations

from flowq.core.describe import spec_of
from flowq.core.rebuild import build
from flowq.core.spec_models import FlowSpec, NodeRef, NodeSpec

__all__ = ["FlowSpec", "NodeRef", "NodeSpec", "build", "spec_of"]
