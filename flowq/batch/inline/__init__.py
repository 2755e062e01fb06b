"""Batches and runs in this process, without a server."""
