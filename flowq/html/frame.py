"""One self-contained HTML page, for light and dark screens: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def framed(title: str, parts: Iterable[str]) -> str:
    """The page of these parts, which are ready markup."""
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return _FRAME.format(title=escape(title), css=css, body="\n".join(parts))
