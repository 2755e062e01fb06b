"""Outline: one walk over a file's syntax tree, for its functions, classes, decision points, operators and operands.

How these are counted is defined in complexity.py and maintainability.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowq.demo.complexity import DECISIONS
from flowq.demo.maintainability import OPERATIONS, Vocabulary

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # isinstance is twice as fast with a tuple

# Fields without anything that counts. Skipping them halves the time of the walk.
_DULL = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "kind", "type_comment", "type_ignores"})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _DULL)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}

# Radon's total excludes definitions inside functions, and those in a class inside a class.
_TOTALLED = frozenset({"", "f", "c", "cf"})

# Decorators of definitions whose docstring is elsewhere: overloads, and setters and deleters of a property.
_DOCUMENTED_ELSEWHERE = frozenset({"overload", "setter", "deleter"})


@dataclass(slots=True)
class Definition:
    """A function or a class; `name` is the qualified name (``Parser.parse``), `complexity` is 0 for a class."""

    name: str
    line: int
    end_line: int
    is_class: bool
    complexity: int
    needs_docstring: bool

    @property
    def lines(self) -> int:
        return self.end_line - self.line + 1


@dataclass(slots=True)
class Outline:
    """The result of the walk; definitions are in the order of their lines."""

    functions: list[Definition] = field(default_factory=list)
    classes: list[Definition] = field(default_factory=list)
    public: int = 0
    """Number of public functions and classes: not inside a function, and no underscore before their or a class's name.
    """
    documented: bool = False
    """Whether the module itself has a docstring."""
    statements: int = 0
    complexity: int = 1
    """The complexity of the whole file, as radon's maintainability index uses it."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)


@dataclass(slots=True)
class _Scope:
    """A body that is still to be walked."""

    body: list[ast.stmt]
    prefix: str
    path: str  # one letter per enclosing definition: "cf" is a method
    context: str  # the enclosing function, for Halstead's operands
    public: bool
    owner: Definition | None


def read_outline(tree: ast.Module) -> Outline:
    """Walk the tree, without recursion, so that deeply nested source is no problem."""
    outline = Outline(documented=ast.get_docstring(tree, clean=False) is not None)
    scopes = [_Scope(tree.body, prefix="", path="", context="", public=True, owner=None)]
    while scopes:
        scope = scopes.pop()
        decisions, inner, aside = _walk(scope.body, scope.context, outline)
        _walk(aside, scope.context, outline)
        if scope.owner is not None and not scope.owner.is_class:
            scope.owner.complexity += decisions
        if scope.path in _TOTALLED:
            outline.complexity += decisions + (scope.path == "cf")
        scopes.extend(_open(definition, scope, outline) for definition in inner)
    outline.functions.sort(key=lambda definition: definition.line)
    outline.classes.sort(key=lambda definition: definition.line)
    return outline


def _walk(nodes: Iterable[ast.AST], context: str, outline: Outline) -> tuple[int, list[_Definition], list[ast.AST]]:
    """Visit `nodes` and all nodes below them, except the bodies of definitions.

    Returns the number of decision points, the definitions found, and the nodes in which radon counts no decision
    points: the inside of an assert, and a class's decorators and bases.
    """
    decisions = 0
    definitions: list[_Definition] = []
    aside: list[ast.AST] = []
    stack = list(nodes)
    while stack:
        node = stack.pop()
        kind = type(node)
        fields = _FIELDS.get(kind)
        if fields is None:  # a string or None in a list of nodes
            continue
        outline.statements += isinstance(node, ast.stmt)
        if (decide := DECISIONS.get(kind)) is not None:
            decisions += decide(node)
        if (speak := OPERATIONS.get(kind)) is not None:
            outline.vocabulary.add(*speak(node), context)
        if isinstance(node, _DEFINITIONS):
            definitions.append(node)
            if isinstance(node, ast.ClassDef):
                aside += [*node.decorator_list, *node.bases, *node.keywords]
        elif isinstance(node, ast.Assert):
            aside += [node.test, node.msg] if node.msg else [node.test]
        else:
            for name in fields:
                value = getattr(node, name)
                if type(value) is list:
                    stack += value
                elif value is not None:
                    stack.append(value)
    return decisions, definitions, aside


def _open(node: _Definition, scope: _Scope, outline: Outline) -> _Scope:
    """Add one definition to the outline; returns the scope of its body."""
    is_class = isinstance(node, ast.ClassDef)
    public = scope.public and not node.name.startswith("_") and _documented_here(node)
    definition = Definition(
        name=scope.prefix + node.name,
        line=node.lineno,
        end_line=node.end_lineno or node.lineno,
        is_class=is_class,
        complexity=0 if is_class else 1,
        needs_docstring=public and ast.get_docstring(node, clean=False) is None,
    )
    (outline.classes if is_class else outline.functions).append(definition)
    outline.public += public
    return _Scope(
        node.body,
        prefix=f"{definition.name}.",
        path=scope.path + ("c" if is_class else "f"),
        context=scope.context if is_class else node.name,
        public=public and is_class,
        owner=definition,
    )


def _documented_here(node: _Definition) -> bool:
    for decorator in node.decorator_list:
        match decorator:
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in _DOCUMENTED_ELSEWHERE:
                return False
    return True
