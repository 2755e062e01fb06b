"""Progress in words: counts, rates and durations, as displays, commands and reports show them."""

from __future__ import annotations

from flowq.batch.executor import Progress

STATUSES = ("ok", "fallback", "failed", "parked")


def line_of(now: Progress) -> str:
    """Progress as one line: ``1,200/10,000 · 430/s · 1,190 ok · 10 failed · 20 s left``."""
    parts = [count_of(now), rate_text(now.rate), " · ".join(counts(now).values())]
    if now.state not in ("running", "succeeded"):
        parts.append(now.state)
    elif now.eta_s is not None and now.state == "running":
        parts.append(f"{span_text(now.eta_s)} left")
    return " · ".join(part for part in parts if part)


def count_of(now: Progress) -> str:
    """``1,200/10,000``; ``1,200`` while the total is unknown."""
    return f"{now.done:,}" if now.total is None else f"{now.done:,}/{now.total:,}"


def counts(now: Progress) -> dict[str, str]:
    """By outcome: ``1,790 ok``, ``12 fallback``, ``1 failed``. Those that did not occur are left out, except ok."""
    return {name: f"{getattr(now, name):,} {name}" for name in STATUSES if name == "ok" or getattr(now, name)}


def rate_text(rate: float) -> str:
    """Items per unit of time: ``1,234/s``, ``3.2/s``, ``12/min``."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    if rate >= 1:
        return f"{rate:.1f}/s"
    if rate * 60 >= 1:
        return f"{rate * 60:.0f}/min"
    return f"{rate * 3600:.0f}/h" if rate > 0 else ""


def span_text(seconds: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"
