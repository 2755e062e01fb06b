"""The engine: ledger, pages, snapshots, chunks, aggregation. Redis and Celery live here."""
