"""How a worker's process runs chunks: it claims, runs, commits, and goes on."""
