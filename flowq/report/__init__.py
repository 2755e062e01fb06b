"""The report of one batch: an HTML page of its course, read from its commits."""

from __future__ import annotations

from flowq.report.course import Course, read_course
from flowq.report.page import render

__all__ = ["Course", "read_course", "render"]
