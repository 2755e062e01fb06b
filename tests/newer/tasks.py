"""A newer flowq, which has one task more. Importing this makes the process one of its workers."""

from __future__ import annotations

from celery import shared_task

from tests.nodes import record


@shared_task(name="flowq.tomorrow", serializer="flowq", acks_late=True, ignore_result=True)
def tomorrow(path: str, line: str) -> None:
    """Write a line to the oracle."""
    record(path, line)
