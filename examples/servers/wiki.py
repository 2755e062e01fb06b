"""A small wiki: 120 pages of text with links, of which two lead nowhere and one page is down at first."""

from __future__ import annotations

from collections import Counter

PAGES = 120
asked: Counter[str] = Counter()


def answer(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """The page at *path*."""
    asked[path] += 1
    number = int(path.removeprefix("/wiki/") or 0) if path.startswith("/wiki/") else PAGES
    if number >= PAGES:
        return 404, {}, b"no such page"
    if number % 17 == 3 and asked[path] == 1:
        return 503, {"Retry-After": "0.1"}, b"try again"
    links = [2 * number + 1, 2 * number + 2, number // 2, number * 7 % PAGES]
    targets = [link for link in links if link < PAGES + 2]
    anchors = " ".join(f'<a href="/wiki/{link}">page {link}</a>' for link in targets)
    text = "<p>" + "lorem ipsum " * (number % 9 + 1) + f"</p><p>{anchors}</p>"
    return 200, {}, f"<html><head><title>Page {number}</title></head><body>{text}</body></html>".encode()
