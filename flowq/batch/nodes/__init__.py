"""The kinds of nodes of many items, and nodes that contain others."""
