"""Compatibility layers: the names and behaviour of other systems on top of flowq's nodes, one module per system."""
