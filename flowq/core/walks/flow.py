"""Flow: a node that visits other nodes, following the actions they return. How a node itself runs is life_cycle.py."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self, overload

from flowq.core import graph
from flowq.core.actions import DEFAULT, AnyNode, checked_action
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Call, Steps, bounded, drive, in_loop
from flowq.core.given import require_whole
from flowq.core.hooks import AnyHook
from flowq.core.journey import Journey
from flowq.core.lifespan import long_lived_here
from flowq.core.node import Node
from flowq.core.plain import inherits_all
from flowq.core.retry import Retry
from flowq.core.spec import FlowSpec, spec_of
from flowq.core.spec.check import problems
from flowq.core.spec.mermaid import draw
from flowq.core.walks.event_stream import EventStream
from flowq.core.walks.run_result import Recorder, RunResult
from flowq.core.walks.runs import Run, handover
from flowq.core.walks.stepping import Step, one_call, stepper
from flowq.core.walks.straight import go, goes_straight
from flowq.core.wiring import check_node
from flowq.errors import FlowError, LoopRunning, UnknownAction

# A flow class that overrides one of these takes the general path, LifeCycle.visit: see `_goes_once`.
_TRIES = ("perform", "one_try", "walk", "phase", "phases", "retry_delay", "exec_fallback", "tries_before")


class Flow(Node[Any, Any]):
    """Runs *start*, then the successor of the action it returned, and so on until an action has no successor.

    Each visit runs a shallow copy of the node, whose params the flow replaces with its own. An action that is not among
    a node's edges ends the flow with a warning; a node without edges ends it silently. A flow is a node: it nests, its
    own ``prep`` runs before the walk, and ``post(shared, prep_res, last_action)`` returns the last action by default.

    Args:
        start: the first node; ``flow.start(node)`` sets it as well.
        name: shown in errors, logs and drawings; the class name if None.
        strict: raise ``UnknownAction`` where the flow would end with a warning.
        max_steps: most nodes one walk may visit, so that an endless loop becomes a FlowError. None: no limit.
        max_retries, wait, retry, timeout: as for a node, applied to the walk as a whole, which is retried from *start*;
            what the failed walk wrote stays in the store. Usually the node should be retried instead.
        config: settings, read as ``self.config``.
        hooks: what is called with the events of the flow, its nodes and the items of its batches; see
            :class:`~flowq.core.hooks.Hook`.

    Raises:
        ValueError: max_steps < 1.
    """

    _labels: Mapping[int, str] = MappingProxyType({})

    chooses: ClassVar[bool] = False
    """Whether the class overrides ``next_node``, which is then called after every node."""

    _tries_once: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.chooses = cls.next_node is not Flow.next_node
        cls._tries_once = inherits_all(cls, Flow, _TRIES) and not cls._asks_ctx

    def __init__(
        self,
        start: Node[Any, Any] | None = None,
        *,
        name: str | None = None,
        strict: bool = False,
        max_steps: int | None = None,
        max_retries: int = 1,
        wait: float = 0,
        retry: Retry | None = None,
        timeout: float | None = None,
        config: Mapping[str, Any] | None = None,
        hooks: Iterable[AnyHook] | None = None,
    ) -> None:
        super().__init__(max_retries, wait, retry=retry, timeout=timeout, name=name, config=config, hooks=hooks)
        if max_steps is not None:
            require_whole("max_steps", max_steps, 1)
        self.start_node = start
        self.strict = strict
        self.max_steps = max_steps
        self._connected: list[Node[Any, Any]] = []

    @in_loop
    def post(self, shared: Any, prep_res: Any, exec_res: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Return the flow's action as a node: the last node's action, unless overridden."""
        return exec_res

    # -- wiring ----------------------------------------------------------------------------------------------------

    def start(self, node: AnyNode) -> AnyNode:
        """Set the first node; returns it."""
        check_node(node, "a flow starts with")
        self.start_node = node
        return node

    def connect(self, source: Node[Any, Any], action: str, target: Node[Any, Any]) -> Self:
        """Let *action* of *source* lead to *target*; returns this flow, so that connections can be chained."""
        check_node(source, "an edge leads from")
        source.next(target, action)
        self._connected.append(source)
        return self

    # -- looking at it ---------------------------------------------------------------------------------------------

    def nodes(self) -> list[Node[Any, Any]]:
        """Every node reachable from the start, depth first, including those inside nested flows."""
        return graph.reachable(self.start_node)

    def has_async(self) -> bool:
        """Whether running this needs an event loop: any reachable node, or the flow itself, has an async method."""
        return self.needs()[1]

    def needs(self) -> tuple[list[Node[Any, Any]], bool]:
        """See :meth:`Node.needs`. Traverses the graph once, or twice if a node in it has a lifespan."""
        is_async, keeps_open = Node.has_async(self), self.keeps_open
        for node in self.nodes():
            keeps_open = keeps_open or node.keeps_open
            # Only a nested flow's own methods are checked: its nodes are in this list too, and may contain the flow.
            is_async = is_async or (Node.has_async(node) if isinstance(node, Flow) else node.has_async())
        return long_lived_here(self) if keeps_open else [], is_async

    def paths(self) -> dict[str, Node[Any, Any]]:
        """Every node by its path, such as ``"Outer/Parse"``; the same in every process that builds the same graph.

        Of several nodes with one name in a flow the second is ``"Parse#2"``, counted depth first.
        """
        return graph.paths(self)

    def mermaid(self) -> str:
        """The flow as a Mermaid flowchart, nested flows as subgraphs."""
        return draw(self)

    def spec(self) -> FlowSpec:
        """The flow as data; see :mod:`flowq.core.spec`."""
        return spec_of(self)

    def check(self) -> list[str]:
        """Likely mistakes in the graph, one sentence each; empty if there are none. Cycles are allowed."""
        return problems(self, [node for node in self._connected if node is not self])

    # -- running ---------------------------------------------------------------------------------------------------

    def submit(self, shared: Any = None, *, key: str | None = None, label: str | None = None) -> Run:
        """Submit the flow to the workers as a durable run, which survives the death of any process. Returns at once.

        A worker visits node after node and checkpoints the store after each. While a batch node runs, and while a node
        waits for an event, the run holds no slot. Without workers it runs in a thread of this process.

        Args:
            shared: the initial store, which is not changed: the final one is ``run.result().shared``.
            key: identifies the run together with its label: submitting both again returns the existing run.
            label: the displayed name of the run; the flow's name if None.

        Raises:
            NoRedis, RedisFull, UnknownNode, CannotTravel, EncodeError: the run was not submitted.
        """
        return handover.submit(self, {} if shared is None else shared, key, label)

    @overload
    def run(self, shared: Any, *, run_result: Literal[False] = False) -> Any: ...
    @overload
    def run(self, shared: Any, *, run_result: Literal[True]) -> RunResult: ...
    def run(self, shared: Any, *, run_result: bool = False) -> Any:
        """Run the flow and return its last action. Async nodes run in an event loop made for the call.

        Args:
            shared: the store, a dict or a SharedStore.
            run_result: return a :class:`RunResult` instead of the action; a node's exception is then returned in it,
                not raised.

        Raises:
            LoopRunning: a node has async methods, and this thread runs an event loop already.
        """
        if not run_result:
            return super().run(shared)
        flow, recorder = self._recorded()
        try:
            return recorder.succeeded(shared, flow.run(shared))
        except LoopRunning:
            raise
        except Exception as error:
            return recorder.failed(shared, error)

    @overload
    async def run_async(self, shared: Any, *, run_result: Literal[False] = False) -> Any: ...
    @overload
    async def run_async(self, shared: Any, *, run_result: Literal[True]) -> RunResult: ...
    async def run_async(self, shared: Any, *, run_result: bool = False) -> Any:
        """Like :meth:`run`, in the running event loop."""
        if not run_result:
            return await super().run_async(shared)
        flow, recorder = self._recorded()
        try:
            return recorder.succeeded(shared, await flow.run_async(shared))
        except Exception as error:
            return recorder.failed(shared, error)

    def _recorded(self) -> tuple[Self, Recorder]:
        flow, recorder = self.__copy__(), Recorder()
        flow.listen([recorder])
        return flow, recorder

    def stream(self, shared: Any) -> EventStream:
        """Run the flow and iterate over its events: ``for event in flow.stream(shared)``, or ``async for``.

        Events of a batch's items are included only if the items run in this process.
        """
        return EventStream(self, shared)

    def iter(self, shared: Any) -> Iterator[Step]:
        """Run the flow step by step: yields after each node, before the next one is chosen.

        The store may be read and changed between steps. A nested flow is one step. Closing the iterator early ends the
        run without calling the flow's ``post``.

        Raises:
            LoopRunning: a node is async, and this thread runs an event loop already.
        """
        with contextlib.ExitStack() as stack:
            ended = {} if self._listeners is None else stack.enter_context(self._listeners.span("run", self.name))
            run = stepper(self, stack)
            prep_res = run(one_call(self.phase(0), shared))
            params = dict(self.params)
            action: str | None = None
            visits = 0
            node = self._enter(self.start_node, params, visits)
            while node is not None:
                action = run(node.step(shared))
                yield Step(node, action)
                visits += 1
                node = self._enter(self.next_node(node, action, shared), params, visits)
            ended["action"] = run(one_call(self.phase(3), shared, prep_res, action))

    def continues(self) -> bool:
        """See :meth:`LifeCycle.continues`."""
        return self.journey is not None and self.journey.continues()

    def visit(self, shared: Any) -> Steps[str | None]:
        """See :meth:`LifeCycle.visit`. In a resumable walk the flow continues where it was left: ``prep`` runs once."""
        journey = self.journey
        if journey is None:
            return (yield from self._visit_once(shared) if self._goes_once() else super().visit(shared))
        frame = journey.enter(self)
        try:
            if not frame.begun:
                frame.prep_res = yield self.phase(0), (shared,)
                frame.begun = True
            self.tries_before = frame.attempt
            exec_res = yield from self.perform(shared, frame.prep_res)
            action = yield self.phase(3), (shared, frame.prep_res, exec_res)
        finally:
            journey.leave()
        return action if action is None or action.__class__ is str else checked_action(action, self.name)

    def _goes_once(self) -> bool:
        """Whether a visit is one walk without retry, fallback, timeout, hooks or outer context."""
        alone = self.timeout is None and self._listeners is None and current_context() is None
        return alone and self._tries_once and self.retry.attempts == 1

    def _visit_once(self, shared: Any) -> Steps[str | None]:
        own = self.__dict__
        prep_res = None
        if type(self).prep is not Node.prep or "prep" in own:
            prep_res = yield self.phase(0), (shared,)
        action: Any = yield from self.walk(shared)
        if type(self).post is not Flow.post or "post" in own:
            action = yield self.phase(3), (shared, prep_res, action)
        return action if action is None or action.__class__ is str else checked_action(action, self.name)

    def walk(self, shared: Any, params: Mapping[str, Any] | None = None) -> Steps[str | None]:
        """One walk from start to end; returns the last action.

        Args:
            params: what the visited nodes are given as ``params``; the flow's own if empty or None.
        """
        pushed = params or dict(self.params)
        if self.journey is not None:
            return (yield from self._travel(shared, pushed, self.journey))
        action: str | None = None
        visits = 0
        node = self.start_node
        while node is not None:
            if self._listeners is None and goes_straight(node):
                node, action, visits = yield go, (self, node, shared, pushed, visits, self._inner)
                continue
            visited = self._enter(node, pushed, visits)
            assert visited is not None
            action = yield from visited.step(shared)
            visits += 1
            node = self.next_node(visited, action, shared)
        return action

    def _travel(self, shared: Any, pushed: Mapping[str, Any], journey: Journey) -> Steps[str | None]:
        """The walk as part of *journey*: starts at the position in its innermost frame and keeps that up to date."""
        frame = journey.frames[-1]
        node = journey.node(frame.at)
        while node is not None:
            visited = self._enter(node, pushed, frame.visits)
            assert visited is not None
            visited.journey = journey
            frame.action = yield from visited.step(shared)
            frame.visits += 1
            node = self.next_node(visited, frame.action, shared)
            frame.at = journey.number(node)
            journey.steps += 1
            yield journey.reached, (shared, visited.name)
        return frame.action

    def one_try(self, shared: Any, prep_res: Any, ctx: ItemContext | None) -> Call:
        """The call that makes one try: a whole walk."""
        attempt = 0 if ctx is None else ctx.attempt
        if self.journey is not None and attempt != self.journey.frames[-1].attempt:
            self.journey.restart(self, attempt)
        walk = self.walk(shared)
        return (drive, (walk,)) if self.timeout is None else (bounded, (self.timeout, drive, (walk,)))

    def next_node(self, node: Node[Any, Any], action: str | None, shared: Any) -> Node[Any, Any] | None:
        """The node that *action* of *node* leads to; None if the flow ends.

        Raises:
            UnknownAction: the action is not among the edges of a node that has some, under ``strict=True``.
        """
        wanted = action or DEFAULT
        if node.predicates and wanted == DEFAULT:
            for predicate, target in node.predicates:
                if predicate(shared):
                    return target
        successor = node.successors.get(wanted)
        if successor is None and (node.successors or node.predicates):
            known = [label for label, _ in graph.edges(node)]
            if self.strict:
                raise UnknownAction(node.name, wanted, known)
            warnings.warn(f"Flow ends: '{action}' not found in {known}", stacklevel=2)
        return successor

    def _enter(self, node: Node[Any, Any] | None, params: Any, visits: int) -> Node[Any, Any] | None:
        """The copy of *node* that a visit runs."""
        if node is None:
            return None
        self.refuse_more(node, visits)
        visited = node.__copy__()
        visited.set_params(params)
        if self._listeners is not None or visited._listeners is not None:
            self.relay_events(visited, self._label(node))
        visited.within = self._inner
        return visited

    def refuse_more(self, node: Node[Any, Any], visits: int) -> None:
        """Raise FlowError if a visit to *node* is one more than ``max_steps``."""
        if self.max_steps is not None and visits >= self.max_steps:
            raise FlowError(
                f"{self.name} has visited {visits} nodes, its max_steps, and would go on to {node.name}. "
                "Look for a loop that never ends, or raise max_steps."
            )

    @property
    def _inner(self) -> str:
        """The value of ``within`` for the nodes of this flow."""
        return self.name if self._name is not None or type(self) is not Flow else ""

    def _label(self, node: Node[Any, Any]) -> str:
        """The label of *node* within this flow, as in :meth:`paths`."""
        if id(node) not in self._labels:
            self._labels = graph.labels(self.inside())
        return self._labels.get(id(node), node.name)

    def _note_failure(self, error: Exception, attempt: int) -> None:
        # The node that failed has added its note; a note per enclosing flow would not help to find it.
        pass
