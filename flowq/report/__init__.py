"""The report of one batch: what its commits tell of its course, as a page. Changes nothing, runs nothing."""

from __future__ import annotations

from flowq.report.course import Course, read_course
from flowq.report.page import render

__all__ = ["Course", "read_course", "render"]
