"""Other systems' names and manners on flowq's nodes, one module a system. Never a second engine."""
