"""The fast path of a walk: visits to plain nodes, with direct calls of ``prep``, ``exec`` and ``post``.

A call that fails is continued by the node's own life cycle. Never here: retries, fallbacks, contexts, hooks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flowq.core.actions import DEFAULT, checked_action
from flowq.core.context import current_context
from flowq.core.drive import async_twin, call_async, drive, drive_async, failed_first, refuse_awaitable, stopped
from flowq.core.notes import add_visit_note

if TYPE_CHECKING:
    from flowq.core.node import Node
    from flowq.core.walks.flow import Flow

Reached = tuple["Node[Any, Any] | None", "str | None", int]
"""The next node, the last action, and the number of nodes visited."""

# Types that are never awaitable; looking up __await__ on each value takes as long as copying the node.
_PLAIN = frozenset((type(None), bool, int, float, str, bytes, list, tuple, dict, set))


def goes_straight(node: Node[Any, Any]) -> bool:
    """Whether a visit to *node* needs the three calls only: a plain node without timeout, hooks and outer context."""
    return node.is_plain and node.timeout is None and node._listeners is None and current_context() is None


def _onward(flow: Flow, visited: Node[Any, Any], action: str | None, shared: Any) -> tuple[Node[Any, Any] | None, bool]:
    """The node that follows *visited*, and whether the fast path can visit it."""
    node = None if visited.predicates or flow.chooses else visited.successors.get(action or DEFAULT)
    if node is None:
        node = flow.next_node(visited, action, shared)
        if node is None:
            return None, False
    # The outer context was checked once, by `goes_straight` before the walk began.
    return node, node.is_plain and node.timeout is None and node._listeners is None


async def _go_async(
    flow: Flow, node: Node[Any, Any], shared: Any, params: Mapping[str, Any], visits: int, inner: str
) -> Reached:
    most = flow.max_steps
    while True:
        if most is not None:
            flow.refuse_more(node, visits)
        visited: Node[Any, Any] = object.__new__(node.__class__)
        own = visited.__dict__ = node.__dict__.copy()
        own["params"], own["within"] = params, inner
        coroutines = visited.coroutines
        execute: Any
        post: Any
        prep, execute, post = visited.prep, visited.exec, visited.post
        try:
            prep_res = await (prep(shared) if _function(prep) in coroutines else call_async(prep, (shared,)))
            failed = False
            try:
                exec_res = await (
                    execute(prep_res) if _function(execute) in coroutines else call_async(execute, (prep_res,))
                )
            except Exception as exc:
                steps = visited.perform(shared, prep_res)
                call, failed = failed_first(steps, exc), True
            if failed:
                exec_res = await drive_async(steps, call)
            ended = (
                post(shared, prep_res, exec_res)
                if _function(post) in coroutines
                else call_async(post, (shared, prep_res, exec_res))
            )
            action: Any = await ended
            if action is not None and action.__class__ is not str:
                action = checked_action(action, visited.name)
        except Exception as error:
            add_visit_note(error, visited.name)
            raise
        visits += 1
        successor, straight = _onward(flow, visited, action, shared)
        if successor is None or not straight:
            return successor, action, visits
        node = successor


@async_twin(_go_async)
def go(flow: Flow, node: Node[Any, Any], shared: Any, params: Mapping[str, Any], visits: int, inner: str) -> Reached:
    """Visit *node* and its successors in *flow*, as long as the fast path can.

    Args:
        params: ``params`` of the visited nodes.
        visits: number of nodes visited before.
        inner: ``within`` of the visited nodes.
    """
    most = flow.max_steps
    while True:
        if most is not None:
            flow.refuse_more(node, visits)
        # __copy__ and set_params inlined.
        visited: Node[Any, Any] = object.__new__(node.__class__)
        own = visited.__dict__ = node.__dict__.copy()
        own["params"], own["within"] = params, inner
        try:
            prep_res = visited.prep(shared)
            if prep_res.__class__ not in _PLAIN:
                refuse_awaitable(visited.prep, prep_res)
            failed = False
            try:
                exec_res: Any = visited.exec(prep_res)
            except Exception as exc:
                error = exc if type(exc) is not StopIteration else stopped(exc, visited.exec)
                steps = visited.perform(shared, prep_res)
                call, failed = failed_first(steps, error), True
            if failed:
                exec_res = drive(steps, call)
            elif exec_res.__class__ not in _PLAIN:
                refuse_awaitable(visited.exec, exec_res)
            action = visited.post(shared, prep_res, exec_res)
            if action is not None and action.__class__ is not str:
                refuse_awaitable(visited.post, action)
                action = checked_action(action, visited.name)
        except StopIteration as exc:
            error = stopped(exc, _raised_by(exc, visited))
            add_visit_note(error, visited.name)
            raise error from exc
        except Exception as error:
            add_visit_note(error, visited.name)
            raise
        visits += 1
        successor, straight = _onward(flow, visited, action, shared)
        if successor is None or not straight:
            return successor, action, visits
        node = successor


def _raised_by(exc: Exception, node: Node[Any, Any]) -> Any:
    """The node's method that the traceback of *exc* goes into; ``prep`` and ``post`` are told apart for this alone."""
    below = exc.__traceback__ and exc.__traceback__.tb_next
    code = below and below.tb_frame.f_code
    return node.post if code is getattr(_function(node.post), "__code__", None) else node.prep


def _function(method: Any) -> Any:
    return getattr(method, "__func__", None)
