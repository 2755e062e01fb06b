"""The table of docs/benchmarks.md, rewritten between its marks from what was measured; the chart beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import chart
from benchmarks.bars import bar_of
from benchmarks.comparison import Comparison
from benchmarks.systems import SYSTEMS
from benchmarks.wording import beside, ratio, share, spread, verdict

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "images" / "benchmarks.svg"
HEAD = ("workload", "flowq", "beside it", "took", "flowq, times as fast", "of the ideal", "bar", "met")


def write(found: Sequence[Comparison], page: Path = PAGE, picture: Path = CHART) -> None:
    """Rewrite what stands between the marks of *page*, and *picture*."""
    text = page.read_text(encoding="utf-8")
    text = between(text, "table", table(found))
    text = between(text, "settings", settings(found))
    text = between(text, "machine", machine(found))
    page.write_text(text, encoding="utf-8")
    picture.write_text(chart.draw(found), encoding="utf-8")


def between(text: str, mark: str, new: str) -> str:
    """*text* with *new* between ``<!-- mark -->`` and ``<!-- end of mark -->``."""
    first, last = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    pattern = re.compile(re.escape(first) + r".*?" + re.escape(last), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"the page has not one place between {first} and {last}")
    return pattern.sub(lambda _: f"{first}\n{new}\n{last}", text)


def table(found: Sequence[Comparison]) -> str:
    """All comparisons, by workload; how many bars are met stands above."""
    return f"{score(found)}\n\n{markdown(HEAD, rows(sorted(found, key=order)))}"


def score(found: Sequence[Comparison]) -> str:
    """How many bars are met."""
    verdicts = [bar.met(one) for one in found if (bar := bar_of(one)) is not None]
    return (
        f"Of {len(verdicts)} bars {verdicts.count(True)} are met, {verdicts.count(False)} are not, and "
        f"{verdicts.count(None)} could not be measured."
    )


def rows(ordered: Iterable[Comparison]) -> list[list[str]]:
    """A line a comparison; the workload at the first of its lines."""
    lines, before = [], ""
    for one in ordered:
        title = f"**{one.workload}** {one.what}" if one.what != before else ""
        before = one.what
        took = one.why or "–" if one.other is None else spread(one.other, one.unit)
        lines.append([title, spread(one.flowq, one.unit), beside(one), took, ratio(one), share(one), *verdict(one)])
    return lines


def settings(found: Iterable[Comparison]) -> str:
    """Each system that ran, its version, and its setting."""
    said: dict[str, tuple[str, str]] = {}
    for one in found:
        for cell in (one.flowq, one.ideal, one.other):
            if cell is not None and cell.setting:
                said[cell.system] = (one.machine.get(one.peer, "") if cell is one.other else "", cell.setting)
        if one.flowq is not None and one.flowq.system in said and "flowq" in one.machine:
            said[one.flowq.system] = (one.machine["flowq"], one.flowq.setting)
    return markdown(("system", "version", "setting"), [[name, *told] for name, told in said.items()])


def machine(found: Iterable[Comparison]) -> str:
    """What it ran on; more than one line if not all of it ran on the same."""
    told: dict[str, None] = {}
    for one in found:
        if one.machine:
            of = one.machine
            words = f"{of['cpu']}, {of['cores']} cores; {of['system']}; Python {of['python']}"
            told[f"{words}; redis-server {of['redis-server']}."] = None
    return "\n\n".join(told)


def order(one: Comparison) -> tuple[str, str, str, int, str]:
    """By workload and what exactly it was, then by peer as the systems are listed."""
    names = list(SYSTEMS)
    return (
        natural(one.workload),
        one.unit,
        one.what,
        names.index(one.peer) if one.peer in names else len(names),
        one.way,
    )


def natural(key: str) -> str:
    """So that 1M comes after 100k and 2000 after 200."""
    sizes = {"k": 3, "M": 6}
    return re.sub(r"(\d+)([kM]?)\b", lambda found: f"{int(found[1]) * 10 ** sizes.get(found[2], 0):08d}", key)


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is written otherwise."""
    texts = [head, ["---"] * len(head), *lines]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in one) + " |" for one in texts
    )
