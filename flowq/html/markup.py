"""The small pieces of HTML that pages are made of. They know nothing of what they show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from html import escape


def section(title: str, words: str, content: str, anchor: str = "") -> str:
    """A card: heading, one sentence, ready markup. `anchor` is what a link on the page may point to."""
    mark = f' id="{anchor}"' if anchor else ""
    return f"<section{mark}><h2>{title}</h2><p>{words}</p>{content}</section>"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Collection[int]) -> str:
    """A table of ready markup; the columns in `numbers` are set flush right."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="number">{text}</{tag}>' if place in numbers else f"<{tag}>{text}</{tag}>"
            for place, text in enumerate(texts)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{cells("th", titles)}</tr></thead><tbody>{body}</tbody></table></div>'


def tile(value: str, label: str, css: str = "") -> str:
    """A large figure over its label, which is ready markup. Tiles stand in a list, `tiles`."""
    return f'<div class="tile {css}"><dd>{escape(value)}</dd><dt>{label}</dt></div>'


def tiles(each: Iterable[str], css: str = "") -> str:
    """A row of tiles."""
    return f'<dl class="tiles {css}">{"".join(each)}</dl>'


def code(*texts: str) -> str:
    """Names from a program, one a line."""
    return "<br>".join(f"<code>{escape(text)}</code>" for text in texts)


def file_path(path: str) -> str:
    """A path that may break behind its slashes."""
    return f'<span class="path">{escape(path).replace("/", "/<wbr>")}</span>'


def nowrap(text: str) -> str:
    """A word that does not break."""
    return f'<span class="nowrap">{escape(text)}</span>'


def badge(text: str) -> str:
    """A word in a frame, coloured by what it says."""
    return f'<span class="badge {escape(text)}">{escape(text)}</span>'


def letter(rank: str) -> str:
    """A letter of complexity.py, coloured."""
    return f'<b class="rank-{rank}">{rank}</b>'


def figure(value: object) -> str:
    """A number with separators for thousands and at most one decimal; anything else as its text."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
