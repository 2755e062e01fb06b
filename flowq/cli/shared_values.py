"""``--set KEY=VALUE``: the initial values of the shared store; and printing the store at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.pretty import Pretty
from rich.table import Table
from rich.text import Text

from flowq.cli.group import Mistake

SHOWN_ELEMENTS = 5
SHOWN_LETTERS = 60


def parsed(values: Iterable[str]) -> dict[str, Any]:
    """The store for ``("n=3", "name=x", "tags=[1, 2]")``; a value that is not JSON is text.

    Raises:
        Mistake: one has no ``=``.
    """
    store: dict[str, Any] = {}
    for one in values:
        key, equals, text = one.partition("=")
        if not equals or not key:
            raise Mistake(f"--set takes KEY=VALUE, not {one!r}")
        try:
            store[key] = json.loads(text)
        except (ValueError, RecursionError):
            store[key] = text
    return store


def show_store(console: Console, store: Mapping[str, Any]) -> None:
    """Print one line per key, with long values shortened."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for key, value in store.items():
        table.add_row(
            Text(str(key)), Pretty(value, max_length=SHOWN_ELEMENTS, max_string=SHOWN_LETTERS, overflow="fold")
        )
    console.print(table)
