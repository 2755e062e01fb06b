"""How a worker's process runs chunks: it claims, runs and commits them, and takes the next ones."""
