"""The notes a node that failed leaves on its exception: which node, which item, which try. Never replaces it."""

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


def add_left_behind_note(exc: BaseException, node: object) -> None:
    """Say of an attribute of *node* that is missing, and that its ``prep`` names, that workers have no such thing.

    Args:
        node: whose ``exec`` failed with *exc*, made anew by a worker or the program's own.
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
    """Add ``in node Parse`` to *exc*, which a visit to that node ended with, unless a node has left its note before:
    that of an ``exec`` says more, and that of a node inside says it of the one that failed.
    """
    notes = getattr(exc, "__notes__", [])
    if isinstance(notes, list) and not any(isinstance(note, str) and note.startswith("in node ") for note in notes):
        exc.add_note(f"in node {node}")
