"""How a batch begins: its birth, its items page by page, and what Celery beat submits."""
