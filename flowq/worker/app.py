"""The Celery app of flowq's own workers: the producers' app with flowq installed and the user's modules imported."""

from __future__ import annotations

from celery import Celery

from flowq.engine.app import build_app
from flowq.settings import Settings
from flowq.worker.install import install, load_modules
from flowq.worker.logs import format_logs


def build_worker_app(settings: Settings) -> Celery:
    """An app whose worker runs flowq's batches; imports the modules that the settings name."""
    app = build_app(settings)
    app.conf.worker_consumer = "flowq.worker.consumer:CarefulConsumer"
    app.conf.worker_pool = "flowq.worker.pool:PromptPool"
    if settings.slots is not None:
        app.conf.worker_concurrency = settings.slots
    install(app, settings)
    app.flowq.owned = True
    app.conf.worker_redirect_stdouts = False  # prints.py redirects them, line by line
    format_logs(settings)
    load_modules(settings)
    return app
