"""Flows, which visit nodes along the actions they return. How a node itself runs are the files above."""
