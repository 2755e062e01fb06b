"""Suggestions for an unknown keyword of a batch node: a misspelling, or the name of an option in another system."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

# Names in Celery, PocketFlow's relatives, Dask, joblib, concurrent.futures and Prefect, and those in flowq.
ELSEWHERE = {
    "attempts": "'max_retries'",
    "autoretry_for": "retry=flowq.Retry(attempts=…, retry_on=…)",
    "batch_concurrency": "'concurrency'",
    "child_node": "the first argument",
    "continue_on_error": "on_error='collect'",
    "default_retry_delay": "'wait'",
    "dont_autoretry_for": "retry=flowq.Retry(attempts=…, give_up_on=…)",
    "filter_fn": "the first argument",
    "initial_value": "'initial'",
    "input_key": "'items'",
    "items_key": "'items'",
    "link_error": "exec_fallback(item, exc), or 'hooks'",
    "max_attempts": "'max_retries'",
    "max_batch_size": "'max_items'",
    "max_concurrency": "'concurrency'",
    "max_workers": "'concurrency'",
    "n_jobs": "'concurrency'",
    "node_id": "'name'",
    "output_key": "'out'",
    "rate_limit": "'rate'",
    "reduce_fn": "the first argument",
    "results_key": "'out'",
    "retry_backoff": "retry=flowq.Retry(attempts=…, wait=…, backoff=…)",
    "retry_backoff_max": "retry=flowq.Retry(attempts=…, wait=…, max_wait=…)",
    "retry_delay": "'wait'",
    "retry_delay_seconds": "'wait'",
    "retry_exceptions": "retry=flowq.Retry(attempts=…, retry_on=…)",
    "retry_jitter": "retry=flowq.Retry(attempts=…, jitter=…)",
    "retry_kwargs": "retry=flowq.Retry(attempts=…, wait=…)",
    "soft_time_limit": "'timeout'",
    "throws": "retry=flowq.Retry(attempts=…, give_up_on=…)",
    "time_limit": "'timeout'",
    "timeout_seconds": "'timeout'",
}


def meant_by(given: str, known: Sequence[str]) -> str | None:
    """The suggestion for the unknown keyword *given*, from ELSEWHERE or among *known*; None if nothing is similar."""
    near = get_close_matches(given, known, n=1)
    return ELSEWHERE.get(given) or (repr(near[0]) if near else None)
