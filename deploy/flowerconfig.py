"""Flower's settings if Celery's own command starts it: what `flowq flower` does, without a checkout's workers.app.

    FLOWQ_FLOWER_PASSWORD=… celery -A workers.app flower --conf=deploy/flowerconfig.py

It starts with a password alone, and listens on 127.0.0.1 unless --address says otherwise.
"""

from __future__ import annotations

from flowq.engine.fleet.flower import flower_options
from flowq.settings import Settings

globals().update(flower_options(Settings()))
