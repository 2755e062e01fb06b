"""The note a failed ``exec`` leaves on its exception: which node, which item, which try. Never replaces it."""

from __future__ import annotations


def add_failure_note(exc: BaseException, *, node: str, attempts: int, item_index: int | None = None) -> None:
    """Add ``in node Parse, item 7, attempt 3`` to *exc*; once, however often the same is said.

    Args:
        attempts: tries made so far, the failed one included.
    """
    item = "" if item_index is None else f", item {item_index}"
    note = f"in node {node}{item}, attempt {attempts}"
    notes = getattr(exc, "__notes__", [])
    if isinstance(notes, list) and note not in notes:  # whoever made something else of them keeps it
        exc.add_note(note)
