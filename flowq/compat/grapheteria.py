"""Grapheteria's Node on top of flowq's: ``prepare → execute → cleanup``, and edges with conditions on the store.

Its engine is flowq's: run with ``flowq.Flow(start=node)``, or with ``flow.submit(shared)`` to wait for people.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, ClassVar

from flowq import core
from flowq.compat.conditions import condition
from flowq.core.actions import DEFAULT
from flowq.core.callables import in_loop
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Steps, call_async, drive_async

_log = logging.getLogger("flowq.node")

_ALWAYS = "True"


class Node(core.Node[Any, Any]):
    """``prepare(shared, request_input)``, ``execute(prepared)``, ``cleanup(shared, prepared, result)``.

    Any of them may be ``async def``. The return value of ``cleanup`` is ignored; the edge is chosen by its condition
    after it. ``a > b > c`` adds default edges, ``a - "shared['score'] > 80" > b`` one with a condition. The literal
    ``"True"`` comes first, the other conditions are evaluated in the order they were wired, and the default edge is
    taken if none is true. Conditions compare values of ``shared``, see :func:`flowq.compat.conditions.condition`; for
    anything else use ``when``.

    Args:
        id: the node's name, also ``node.id``; the class name if None.
        config: settings, read as ``self.config``.
        max_retries: tries of ``execute`` in all.
        wait: seconds between tries.
    """

    phases: ClassVar[tuple[str, str, str, str]] = ("prepare", "execute", "exec_fallback", "cleanup")

    def __init__(
        self, id: str | None = None, config: Mapping[str, Any] | None = None, max_retries: int = 1, wait: float = 0
    ) -> None:
        super().__init__(max_retries, wait, name=id, config=config)

    @property
    def id(self) -> str:
        """The node's name."""
        return self.name

    @in_loop
    def prepare(self, shared: Any, request_input: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Read what ``execute`` needs from the shared store; ``await request_input(prompt)`` waits for a person."""

    @in_loop
    def execute(self, prepared: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Do the work."""

    @in_loop
    def cleanup(self, shared: Any, prepared: Any, result: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Write to the shared store."""

    def __gt__(self, target: Any) -> Any:
        return self.next(target)

    def __sub__(self, action: str) -> _Condition:  # type: ignore[override]
        return _Condition(self, action)

    def visit(self, shared: Any) -> Steps[str | None]:
        """The steps of a visit; returns the text of the first true condition, None for the default edge."""
        prepared = yield self.phase(0), (shared, self.request_input)
        if type(self)._execute_with_retry is Node._execute_with_retry:
            result = yield from self.perform(shared, prepared)
        else:
            result = yield self._execute_with_retry, (prepared,)
        yield self.phase(3), (shared, prepared, result)
        return self._holding(shared)

    async def request_input(
        self, prompt: str | None = None, options: Any = None, input_type: str = "text", request_id: str | None = None
    ) -> Any:
        """Wait for a person's answer: the value of the event *request_id*, or of the node's id if None.

        The flow must be a submitted run, which waits here until ``run.send(request_id, value)``. The code before the
        wait runs again then. *prompt*, *options* and *input_type* are logged.
        """
        name = request_id or self.id
        self.log("a run waits for an answer", event=name, prompt=prompt, options=options, input_type=input_type)
        ctx = current_context() or ItemContext(node=self.name)
        return await ctx.wait_for(name)

    async def run_standalone(self, shared_state: Any = None) -> Any:
        """Run this node alone, with one try and no fallback, and return the store."""
        shared = {} if shared_state is None else shared_state
        prepared = await call_async(self.phase(0), (shared, _nobody_to_ask))
        result = await call_async(self.phase(1), (prepared,))
        await call_async(self.phase(3), (shared, prepared, result))
        return shared

    async def _execute_with_retry(self, prepared: Any) -> Any:
        """Override to run several items, with ``await self._process_item(item)`` for each."""
        return await self._process_item(prepared)

    async def _process_item(self, item: Any) -> Any:
        """Run one item with its own tries and fallback."""
        return await drive_async(self.perform(None, item))

    def has_async(self) -> bool:
        """Whether running this needs an event loop."""
        return super().has_async() or type(self)._execute_with_retry is not Node._execute_with_retry

    def _holding(self, shared: Any) -> str | None:
        conditions = [text for text in self.successors if text != DEFAULT]
        if _ALWAYS in conditions:
            return _ALWAYS
        for text in conditions:
            try:
                if condition(text)(shared):
                    return text
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                _log.warning("a condition does not hold: it failed", extra={"condition": text, "error": repr(error)})
        return None


class _Condition:
    """The result of ``node - "condition"``: an edge that ``> target`` completes."""

    __slots__ = ("source", "text")

    def __init__(self, source: Node, text: str) -> None:
        if not isinstance(text, str):
            raise TypeError("a condition is a text; for a function there is node.when(predicate, next_node)")
        if text.strip():
            condition(text)
        self.source, self.text = source, text.strip()

    def __gt__(self, target: Any) -> Any:
        return self.source.next(target, self.text)

    __rshift__ = __gt__


async def _nobody_to_ask(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError(
        "request_input is not available standalone: it waits for a person, in flow.submit(shared)"
    )
