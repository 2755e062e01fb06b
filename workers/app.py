"""The worker application: ``celery -A workers.app worker``. Composes settings, app and flowq; holds no logic."""

from __future__ import annotations

from flowq.settings import Settings
from flowq.worker.app import build_worker_app

app = build_worker_app(Settings())
