"""The notes that a failed node adds to its exception: which node, item and try."""

from __future__ import annotations


def add_failure_note(exc: BaseException, *, node: str, attempts: int, item_index: int | None = None) -> None:
    """Add ``in node Parse, item 7, attempt 3`` to *exc*, unless it has this note already.

    Args:
        attempts: tries made so far, the failed one included.
    """
    item = "" if item_index is None else f", item {item_index}"
    note = f"in node {node}{item}, attempt {attempts}"
    notes = getattr(exc, "__notes__", [])
    if isinstance(notes, list) and note not in notes:  # other types of __notes__ are left alone
        exc.add_note(note)


def add_left_behind_note(exc: BaseException, node: object) -> None:
    """If *exc* is a missing attribute of *node* that its ``prep`` refers to, note that workers do not run ``prep``.

    Args:
        node: the node whose ``exec`` failed with *exc*.
    """
    if not isinstance(exc, AttributeError) or exc.name is None or type(exc.obj) is not type(node):
        return
    prep = getattr(getattr(node, "prep", None), "__code__", None)
    if prep is not None and exc.name in prep.co_names:
        exc.add_note(
            f"self.{exc.name} is a matter of prep, which runs in the program: workers make the node of its "
            "constructor's arguments. Put it into the items or the arguments, or make it in setup"
        )


def add_visit_note(exc: BaseException, node: str) -> None:
    """Add ``in node Parse`` to *exc*, raised by a visit to that node, unless a node has added its note before: the note
    of a try says more, and that of a node inside a flow names the node that failed.
    """
    notes = getattr(exc, "__notes__", [])
    if isinstance(notes, list) and not any(isinstance(note, str) and note.startswith("in node ") for note in notes):
        exc.add_note(f"in node {node}")
