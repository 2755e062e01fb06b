"""Flow: a node that walks from node to node along the actions they return. Never how a node itself runs."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Self, overload

from flowq.core import graph
from flowq.core.actions import DEFAULT, AnyNode, checked_action
from flowq.core.check import problems
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Call, Steps, bounded, drive, drive_async, in_loop, loop_runs
from flowq.core.event_stream import EventStream
from flowq.core.given import require_whole
from flowq.core.hooks import AnyHook
from flowq.core.journey import Journey
from flowq.core.lifespan import held_open, long_lived_here, opened
from flowq.core.mermaid import draw
from flowq.core.node import Node
from flowq.core.retry import Retry
from flowq.core.run_result import Recorder, RunResult
from flowq.core.runs import Run, handover
from flowq.core.spec import FlowSpec, spec_of
from flowq.core.straight import go, goes_straight, lives_as
from flowq.core.wiring import check_node
from flowq.errors import FlowError, LoopRunning, UnknownAction

# What a class may not have of its own for its walk to be all there is to it.
_TRIES = ("perform", "one_try", "walk", "phase", "phases", "retry_delay", "exec_fallback", "tries_before")


class Step(NamedTuple):
    """One step of :meth:`Flow.iter`: the node as it was visited, and the action it returned."""

    node: Node[Any, Any]
    action: str | None


class Flow(Node[Any, Any]):
    """Runs *start*, then the successor of the action it returned, and so on until an action has no successor.

    Each visit runs a ``copy.copy`` of the node, whose params the flow replaces by its own. An action that is not among
    a node's edges ends the flow with a warning; a node without edges ends it silently. A flow is a node: it nests, its
    own ``prep`` runs before the walk, and ``post(shared, prep_res, last_action)`` returns the last action by default.

    Args:
        start: the node to begin with; ``flow.start(node)`` sets it as well.
        name: shown in errors, logs and drawings; the class name if None.
        strict: raise ``UnknownAction`` where the flow would end with a warning.
        max_steps: nodes one walk may visit at most, so that a loop which never ends becomes an error. None: no limit.
        max_retries, wait, retry, timeout: as a node's, for the walk as a whole, which starts again at *start*; what the
            failed walk wrote stays in the store. Usually it is a node that should be tried again, not the walk.
        config: settings, read as ``self.config``.
        hooks: who is told of what happens in the flow and in its nodes, in batches' items too; see
            :class:`~flowq.core.hooks.Hook`.

    Raises:
        ValueError: max_steps < 1.
    """

    _labels: Mapping[int, str] = MappingProxyType({})

    chooses: ClassVar[bool] = False
    """Whether the class has a ``next_node`` of its own, which is asked after every node."""

    _tries_once: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.chooses = cls.next_node is not Flow.next_node
        cls._tries_once = lives_as(cls, Flow, _TRIES) and not cls._asks_ctx

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
        """The action of the flow as a node: that of the last node, unless overridden."""
        return exec_res

    # -- wiring ----------------------------------------------------------------------------------------------------

    def start(self, node: AnyNode) -> AnyNode:
        """Set the node to begin with; returns it."""
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
        """Every node that can be reached from the start, in order, the insides of nested flows included."""
        return graph.reachable(self.start_node)

    def has_async(self) -> bool:
        """Whether running this needs an event loop: any reachable node, or the flow itself, has an async method."""
        return self.needs()[1]

    def needs(self) -> tuple[list[Node[Any, Any]], bool]:
        """See :meth:`Node.needs`; the graph is walked over once where nothing in it is kept open."""
        is_async, keeps_open = Node.has_async(self), self.keeps_open
        for node in self.nodes():
            keeps_open = keeps_open or node.keeps_open
            # A nested flow is asked for its own methods only: its nodes are among these, and may hold itself.
            is_async = is_async or (Node.has_async(node) if isinstance(node, Flow) else node.has_async())
        return long_lived_here(self) if keeps_open else [], is_async

    def paths(self) -> dict[str, Node[Any, Any]]:
        """Every node by where it is: ``"Outer/Parse"``. The same in every process that makes the same graph.

        Of several nodes of one name in a flow the second is ``"Parse#2"``, in the order they are reached in.
        """
        return graph.paths(self)

    def mermaid(self) -> str:
        """The flow as a Mermaid flowchart, nested flows as subgraphs."""
        return draw(self)

    def spec(self) -> FlowSpec:
        """The flow as data; see :mod:`flowq.core.spec`."""
        return spec_of(self)

    def check(self) -> list[str]:
        """What looks wrong with the graph, one sentence each; empty when nothing does. Cycles are fine."""
        return problems(self, [node for node in self._connected if node is not self])

    # -- running ---------------------------------------------------------------------------------------------------

    def submit(self, shared: Any = None, *, key: str | None = None, label: str | None = None) -> Run:
        """Hand the whole flow to the workers and come back at once: any process may die from now on, this one first.

        A worker walks from node to node and keeps the store after each; at a batch node, and where a node waits for an
        event, the run holds no slot. Without workers it runs in a thread of this process.

        Args:
            shared: the store it begins with, which stays as it is: ``run.result().shared`` is the one it ends with.
            key: the run's identity, with its label: submitting both again gives the run that is there.
            label: the run's name for people; the flow's name if None.

        Raises:
            NoRedis, RedisFull, UnknownNode, CannotTravel, EncodeError: nothing runs.
        """
        return handover.submit(self, {} if shared is None else shared, key, label)

    @overload
    def run(self, shared: Any, *, run_result: Literal[False] = False) -> Any: ...
    @overload
    def run(self, shared: Any, *, run_result: Literal[True]) -> RunResult: ...
    def run(self, shared: Any, *, run_result: bool = False) -> Any:
        """Run the flow and return its last action. Async nodes are driven in an event loop made for the call.

        Args:
            shared: the store, a dict or a SharedStore.
            run_result: return a :class:`RunResult` instead, also when a node fails.

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
        """:meth:`run` in the running event loop."""
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
        """Run the flow while its events are read: ``for event in flow.stream(shared)``, or ``async for``.

        Items of a batch are seen where it runs: their events come here if that is this process.
        """
        return EventStream(self, shared)

    def iter(self, shared: Any) -> Iterator[Step]:
        """Run the flow step by step: yields after each node, before the next one is chosen.

        The store may be read and changed between steps. Nested flows are one step. Dropping the iterator ends the run:
        the flow's ``post`` then does not run.

        Raises:
            LoopRunning: a node is async, and this thread runs an event loop already.
        """
        with contextlib.ExitStack() as stack:
            ended = {} if self._listeners is None else stack.enter_context(self._listeners.span("run", self.name))
            run = _stepper(self, stack)
            prep_res = run(_one_call(self.phase(0), shared))
            params = dict(self.params)
            action: str | None = None
            visits = 0
            node = self._enter(self.start_node, params, visits)
            while node is not None:
                action = run(node.step(shared))
                yield Step(node, action)
                visits += 1
                node = self._enter(self.next_node(node, action, shared), params, visits)
            ended["action"] = run(_one_call(self.phase(3), shared, prep_res, action))

    def goes_on(self) -> bool:
        """See :meth:`Node.goes_on`."""
        return self.journey is not None and self.journey.goes_on()

    def visit(self, shared: Any) -> Steps[str | None]:
        """See :meth:`Node.visit`. On a journey the flow goes on where it was left: its ``prep`` runs once."""
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
        """Whether a walk that fails is the end of it, whatever it fails with, and nobody is told."""
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
        """The walk as a part of *journey*: from where its frame says, noting there how far it has come."""
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
        """The call that one try consists of: a whole walk."""
        attempt = 0 if ctx is None else ctx.attempt
        if self.journey is not None and attempt != self.journey.frames[-1].attempt:
            self.journey.restart(self, attempt)
        walk = self.walk(shared)
        return (drive, (walk,)) if self.timeout is None else (bounded, (self.timeout, drive, (walk,)))

    def next_node(self, node: Node[Any, Any], action: str | None, shared: Any) -> Node[Any, Any] | None:
        """The node that *action* of *node* leads to; None: the flow ends.

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
            self.overhear(visited, self._label(node))
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
        """What the nodes of this flow are ``within``."""
        return self.name if self._name is not None or type(self) is not Flow else ""

    def _label(self, node: Node[Any, Any]) -> str:
        """What *node* is called within this flow."""
        if id(node) not in self._labels:
            self._labels = graph.labels(self.inside())
        return self._labels.get(id(node), node.name)

    def _note_failure(self, error: Exception, attempt: int) -> None:
        # The node that failed has left its note; the flows around it add nothing to find it by.
        pass


def _stepper(flow: Flow, stack: contextlib.ExitStack) -> Callable[[Steps[Any]], Any]:
    """What drives the steps of one iteration: for async nodes, one event loop for all of them."""
    nodes = long_lived_here(flow)
    if not flow.has_async():
        stack.enter_context(held_open(nodes))
        return drive
    if loop_runs():
        raise LoopRunning(flow.name)
    runner = stack.enter_context(asyncio.Runner())
    span = opened(nodes)
    runner.run(span.__aenter__())
    stack.callback(lambda: runner.run(span.__aexit__(None, None, None)))
    return lambda steps: runner.run(drive_async(steps))


def _one_call(fn: Callable[..., Any], *args: Any) -> Steps[Any]:
    return (yield fn, args)
