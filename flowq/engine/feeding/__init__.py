"""How a batch begins: its birth, its items page by page, and the runs that Celery beat submits."""
