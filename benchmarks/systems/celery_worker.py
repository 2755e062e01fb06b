"""The composition root of plain Celery's worker: ``celery -A benchmarks.systems.celery_worker worker``."""

from __future__ import annotations

import os

from benchmarks.systems.celery_app import make

app = make(os.environ["BENCH_REDIS_URL"])
