"""flowq beside plain Celery and a process pool, interleaved in one run: ratios, not absolute times. ``make bench``."""
