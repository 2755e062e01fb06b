"""flowq beside plain Celery and a process pool, interleaved in one run: ratios, never absolute times. ``make bench``."""
