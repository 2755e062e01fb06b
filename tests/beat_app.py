"""A team's beat: its app sends, once a second, a flow that flowq's workers run."""

from __future__ import annotations

import os

import flowq
from flowq.engine.app import build_app
from flowq.settings import Settings
from tests import nested

app = build_app(Settings())
app.conf.beat_schedule = {
    "squares": flowq.scheduled(
        nested.six_steps(os.environ["FLOWQ_TEST_NOTES"]), 1.0, key="every second", shared={"numbers": [1, 2]}
    )
}
