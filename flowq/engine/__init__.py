"""The engine: ledger, pages, snapshots, chunks, aggregation. Redis and Celery live here; no command line, no process."""
