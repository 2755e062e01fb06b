"""One walk over a file's syntax tree: its functions and classes, decision points, operators and operands.

What counts, and for how much, stands in complexity.py and maintainability.py; this file only goes everywhere, once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowq.demo.complexity import DECISIONS
from flowq.demo.maintainability import OPERATIONS, Vocabulary

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)  # isinstance is twice as fast with a tuple

# Fields that lead to nothing that counts. Leaving them out halves the walk.
_DULL = frozenset({"ctx", "op", "ops", "id", "attr", "arg", "name", "names", "kind", "type_comment", "type_ignores"})
_FIELDS: dict[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(name for name in kind._fields if name not in _DULL)
    for kind in vars(ast).values()
    if isinstance(kind, type) and issubclass(kind, ast.AST)
}

# Radon's total leaves out what is defined inside a function, or in a class inside a class.
_TOTALLED = frozenset({"", "f", "c", "cf"})

# Written for the type checker, or the second half of a property: the docstring is elsewhere.
_DOCUMENTED_ELSEWHERE = frozenset({"overload", "setter", "deleter"})


@dataclass(slots=True)
class Definition:
    """A function or a class; `name` is dotted from the module down (``Parser.parse``), `complexity` 0 for a class."""

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
    """What the walk found; definitions in the order of their lines."""

    functions: list[Definition] = field(default_factory=list)
    classes: list[Definition] = field(default_factory=list)
    public: int = 0
    """Public functions and classes: no underscore in front of them or of a class around them, not inside a function."""
    documented: bool = False
    """Whether the module itself has a docstring."""
    statements: int = 0
    complexity: int = 1
    """Of the whole file, as radon's maintainability index takes it."""
    vocabulary: Vocabulary = field(default_factory=Vocabulary)


@dataclass(slots=True)
class _Scope:
    """A body still to be walked."""

    body: list[ast.stmt]
    prefix: str
    path: str  # one letter a definition around: "cf" is a method
    context: str  # the function around, for Halstead's operands
    public: bool
    owner: Definition | None


def read_outline(tree: ast.Module) -> Outline:
    """Walk the tree. No recursion: the depth of the source does not matter."""
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
    """Visit `nodes` and all below them, but no body of a definition.

    Returns the decision points, the definitions met, and what is spoken but decides nothing in radon's book: the inside
    of an assert, and a class's decorators and bases.
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
    """Note one definition in the outline; its body comes next."""
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
