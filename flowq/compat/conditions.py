"""Conditions on the store as text, such as ``"shared['score'] > 80"``. Compiled from the syntax tree, without eval."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda value, among: value in among,
    ast.NotIn: lambda value, among: value not in among,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.Not: operator.not_, ast.USub: operator.neg}
_DISPLAYS: Mapping[type[ast.expr], Callable[[Any], Any]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    fn.__name__: fn for fn in (len, int, float, str, bool, min, max, sum, any, all, abs)
}
_METHODS = frozenset(("get", "keys", "values", "items", "lower", "upper", "strip", "startswith", "endswith"))


@functools.lru_cache(maxsize=1024)
def condition(text: str) -> Callable[[Any], bool]:
    """*text* as a predicate of the store, which the text refers to as ``shared``.

    Allowed are comparisons, ``and``, ``or``, ``not``, indexing, ``+ - / // %``, calls of ``len``, ``min`` and similar
    functions, ``shared.get(...)`` and a few methods of dict and str.

    Raises:
        ValueError: *text* is not an expression, or uses anything else.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"the condition {text!r} is no expression: {error.msg}") from error
    compiled = _compiled(tree, text)
    return lambda shared: bool(compiled(shared))


_Compiled = Callable[[Any], Any]


def _compiled(node: ast.expr, text: str) -> _Compiled:
    """*node* as a function of the store; only the node types listed here are allowed."""
    match node:
        case ast.Constant(value=value):
            return lambda shared: value
        case ast.Name(id="shared"):
            return lambda shared: shared
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            made, each = _DISPLAYS[type(node)], [_compiled(part, text) for part in parts]
            return lambda shared: made(part(shared) for part in each)
        case ast.Subscript(value=of, slice=key):
            whole, index = _compiled(of, text), _compiled(key, text)
            return lambda shared: whole(shared)[index(shared)]
        case ast.BoolOp(op=op, values=values):
            return _joined(isinstance(op, ast.And), [_compiled(value, text) for value in values])
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            unary, value_of = _UNARY[type(op)], _compiled(operand, text)
            return lambda shared: unary(value_of(shared))
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            binary, a, b = _ARITHMETIC[type(op)], _compiled(left, text), _compiled(right, text)
            return lambda shared: binary(a(shared), b(shared))
        case ast.Compare(left=left, ops=ops, comparators=others) if all(type(op) in _COMPARE for op in ops):
            return _compared([_COMPARE[type(op)] for op in ops], [_compiled(one, text) for one in (left, *others)])
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            function, given = _FUNCTIONS[name], [_compiled(arg, text) for arg in args]
            return lambda shared: function(*(arg(shared) for arg in given))
        case ast.Call(func=ast.Attribute(value=of, attr=name), args=args, keywords=[]) if name in _METHODS:
            whole, given = _compiled(of, text), [_compiled(arg, text) for arg in args]
            return lambda shared: getattr(whole(shared), name)(*(arg(shared) for arg in given))
    raise ValueError(
        f"the condition {text!r} does more than compare values of `shared` ({ast.unparse(node)}): "
        "use node.when(predicate, next_node) with a function"
    )


def _joined(is_and: bool, parts: list[_Compiled]) -> _Compiled:
    def evaluate(shared: Any) -> Any:
        value: Any = is_and
        for part in parts:
            value = part(shared)
            if bool(value) != is_and:
                return value
        return value

    return evaluate


def _compared(compare: list[Callable[[Any, Any], Any]], parts: list[_Compiled]) -> _Compiled:
    def evaluate(shared: Any) -> bool:
        left = parts[0](shared)
        for holds, part in zip(compare, parts[1:], strict=True):
            right = part(shared)
            if not holds(left, right):
                return False
            left = right
        return True

    return evaluate
