"""The analysis of one file, as its caller sees it: figures checked by hand, bad files, the same result everywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowq.demo.audit import analyse, stdlib_files
from flowq.demo.source import shown_path, stdlib_root

SHOP = '''"""Shop."""

import os


class Cart:
    def total(self, items):
        """Sum.

        Of all.
        """
        price = 0
        for item in items:  # every one
            if item.kind == "gift" and item.price > 0:
                price += item.price * 2
            elif not item.price:
                continue
        else:
            price = -price
        return [x for x in items if x] if price else None


def _hidden(a, b=1):
    # nothing
    try:
        assert a or b
    except ValueError:
        pass
    except TypeError:
        pass
    finally:
        pass

    def inner():
        return a if b else 0

    return inner
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP)
    return path


def test_the_figures_of_a_small_file_are_those_counted_by_hand(shop: Path) -> None:
    record = analyse(str(shop))
    assert (record["path"], record["size_bytes"]) == (str(shop), len(SHOP))
    assert (record["classes"], record["functions"], record["statements"]) == (1, 3, 22)
    assert record["lines"] == {"code": 24, "comment": 1, "docstring": 4, "blank": 8, "logical": 26}
    # total: for, its else, if, and, elif, a comprehension with an if, the conditional expression: 8 and 1.
    # _hidden: two handlers and the assert, whose inside counts no more; inner is a function of its own.
    assert record["complexity"] == {
        "mean": 5.0,
        "max": 9,
        "ranks": {"A": 2, "B": 1, "C": 0, "D": 0, "E": 0, "F": 0},
        "worst": [
            {"name": "Cart.total", "line": 7, "complexity": 9, "lines": 14},
            {"name": "_hidden", "line": 23, "complexity": 4, "lines": 15},
            {"name": "_hidden.inner", "line": 34, "complexity": 2, "lines": 2},
        ],
    }
    assert record["longest"] == {"name": "_hidden", "line": 23, "lines": 15}
    # Public are the module, Cart and Cart.total.
    assert record["docstrings"] == {"public": 3, "missing": 1, "first": [{"name": "Cart", "line": 6}]}
    assert record["duplicates"] == {"compared": 2, "pairs": 0, "complete": 1, "first": []}


def test_maintainability_and_volume_are_those_that_radon_prints(shop: Path) -> None:
    # `radon mi -s` and `radon hal`, radon 6.0.1, of the same text.
    assert analyse(str(shop))["maintainability"] == {"index": 77.36, "rank": "A", "volume": 91.7, "difficulty": 5.6}


def test_an_empty_file_has_zeros_and_no_function(tmp_path: Path) -> None:
    path = tmp_path / "__init__.py"
    path.write_bytes(b"")
    record = analyse(str(path))
    assert record["lines"] == {"code": 0, "comment": 0, "docstring": 0, "blank": 0, "logical": 0}
    assert record["complexity"]["worst"] == []
    assert record["longest"] == {"name": "", "line": 0, "lines": 0}
    assert record["docstrings"] == {"public": 1, "missing": 1, "first": [{"name": "<module>", "line": 1}]}
    assert record["maintainability"]["index"] == 100.0


def test_two_copies_of_a_function_are_reported_with_names_and_lines(tmp_path: Path) -> None:
    body = "".join(f"    value = compute(value, {n}) + other.method(value)\n" for n in range(6))
    path = tmp_path / "copies.py"
    path.write_text(f"def one(value):\n{body}    return value\n\n\ndef two(thing):\n{body}    return thing\n")
    assert analyse(str(path))["duplicates"] == {
        "compared": 2,
        "pairs": 1,
        "complete": 1,
        "first": [{"name": "one", "line": 1, "other": "two", "other_line": 11, "lines": 8, "similarity": 1.0}],
    }


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"def f(:\n    pass\n", SyntaxError),
        (b"print 'python 2'\n", SyntaxError),
        (b"# coding: uft-8\n", SyntaxError),
        (b"# coding: utf-8\n\n\nname = '\xe9'\n", UnicodeDecodeError),
        (b"x = 1\0\n", SyntaxError),
        (b"s = 'never closed\n", SyntaxError),
    ],
    ids=["grammar", "python 2", "unknown encoding", "not utf-8", "null byte", "open string"],
)
def test_a_file_that_is_not_python_raises_what_python_says(tmp_path: Path, data: bytes, error: type[Exception]) -> None:
    path = tmp_path / "bad.py"
    path.write_bytes(data)
    with pytest.raises(error):
        analyse(str(path))


def test_a_missing_file_raises_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        analyse(str(tmp_path / "gone.py"))


def test_encoding_cookie_byte_order_mark_and_foreign_newlines_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "strange.py"
    path.write_bytes(b"# coding: latin-1\r\nname = '\xe9'\r\n")
    assert analyse(str(path))["lines"]["code"] == 1
    path.write_bytes(b"\xef\xbb\xbfname = 1\rother = 2\r")
    assert analyse(str(path))["lines"]["code"] == 2


def test_a_doubtful_escape_warns_nobody(tmp_path: Path) -> None:
    path = tmp_path / "escape.py"
    path.write_bytes(b"pattern = '\\d'\n")
    assert analyse(str(path))["statements"] == 1  # a warning would be an error here


def test_deep_nesting_needs_no_stack(tmp_path: Path) -> None:
    path = tmp_path / "deep.py"
    path.write_text("x = " + " + ".join("1" for _ in range(1500)) + "\n")
    assert analyse(str(path))["maintainability"]["volume"] > 0


PROGRAM = """
import json, sys
from flowq.demo.audit import analyse
print(json.dumps([analyse(path) for path in sys.argv[1:]]))
"""


def test_processes_with_different_hash_seeds_give_the_same_record() -> None:
    root = stdlib_root()
    paths = [str(root / name) for name in ("contextlib.py", "ipaddress.py", "shlex.py")]
    printed = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *paths],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(printed) == 1
    assert json.loads(printed.pop()) == [analyse(path) for path in paths]


def test_a_record_is_plain_data_alone() -> None:
    record = analyse(str(stdlib_root() / "ipaddress.py"))
    assert {type(value) for value in inside(record)} <= {str, int, float, list, dict}
    assert json.loads(json.dumps(record)) == record


def inside(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(each)


def test_the_standard_library_is_found_whole_sorted_and_without_installed_packages() -> None:
    files = stdlib_files()
    shown = [shown_path(str(path)) for path in files]
    assert len(files) > 500
    assert files == sorted(files)
    assert {"ast.py", "json/decoder.py", "asyncio/events.py"} <= set(shown)
    assert not any("site-packages" in path or "dist-packages" in path for path in shown)


def test_a_path_is_shown_relative_to_the_standard_library(tmp_path: Path) -> None:
    assert shown_path(str(stdlib_root() / "json" / "tool.py")) == "json/tool.py"
    assert shown_path(str(tmp_path / "broken.py")) == "broken.py"
    assert shown_path("json/tool.py") == "json/tool.py"
