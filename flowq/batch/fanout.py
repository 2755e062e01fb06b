"""Fanout: the base class of nodes of many items, with the keywords of their policy, ``map`` and ``submit``.

The executor decides where the items run.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, ClassVar, Never, Self, get_args

from typing_extensions import Unpack

from flowq.batch.async_items import readable
from flowq.batch.executor import BatchJob, Executor, Handle, active
from flowq.batch.journey import BatchJourney
from flowq.batch.options import BatchOptions
from flowq.batch.policies.policy import BatchPolicy, OnError
from flowq.batch.results.done import Done
from flowq.batch.results.result import BatchResult
from flowq.core.actions import checked_action
from flowq.core.callables import function_of, is_async
from flowq.core.drive import Steps, drive, drive_async
from flowq.core.given import require_function, require_store
from flowq.core.node import Item, Node, Result
from flowq.core.notes import add_failure_note, add_left_behind_note
from flowq.core.options import Tries
from flowq.core.retry import Retry
from flowq.core.streamed import whole
from flowq.errors import FlowError, LoopRunning

_OPTIONS = frozenset(BatchOptions.__annotations__)
_NODES_OPTIONS = tuple(Tries.__annotations__)
_OWN_OPTIONS = frozenset(("on_progress", "policy", "hooks", "key", "label", "limit"))


class Fanout(Node[Item, Result]):
    """A node of many items: ``prep`` returns them, ``exec`` gets one, ``post`` gets the ``BatchResult`` of all.

    Args:
        max_retries, wait, retry, timeout: as for a node, applied to each item.
        name: shown in errors, logs and drawings; the class name if None.
        config: settings of this node.
        on_error, max_failures, concurrency, in_flight, rate, breaker, cache, deadline, chunk_size, priority, queue,
            retention_s, max_items, sink, item_events: see :class:`~flowq.batch.policies.policy.BatchPolicy`.
        policy: a BatchPolicy, instead of these and of the retry keywords.
        hooks: hooks for the events of items, called in the process that runs them; see :class:`~flowq.core.hooks.Hook`.
        on_progress: called in this process with the batch's :class:`~flowq.batch.executor.Progress` a few times a
            second while ``run`` or ``map`` waits, and at its end. May be a method of this name instead.
        key: function from an item to its key, for ``ctx.item_key`` and ``Outcome.key``. Items of one batch with the
            same key are computed once and share the outcome (not in a BatchFlow). To be sent to workers the function
            must be registered; or define a method ``key_of(self, item)``.
        label: the displayed name of the batch; the node's name if None.
        limit: the number of first items to run, for trials (None: all).

    Raises:
        ValueError: an invalid value, or *policy* together with keywords that it replaces.
    """

    carries_changes: ClassVar[bool] = False
    """Whether items run on overlays of the shared store and return their changes as deltas."""

    opens_own: ClassVar[bool] = True

    reduces: ClassVar[bool] = False
    """Whether the batch has one value, which the aggregation computes."""

    is_local: bool = False
    """Whether the items always run in the process that visits the node."""

    label: str | None = None
    limit: int | None = None
    _options: Mapping[str, Any] = MappingProxyType({})
    _policy: BatchPolicy | None = None

    exec_many: Callable[..., Any] | None = None
    """A method of this name in a subclass is called with a list of items, instead of ``exec`` with one, for services
    that take many at once: ``chunk_size`` items (100 with "auto"), fewer at the end of a chunk. It returns a result for
    each, in their order; an exception in the list is the failure of that item only. It may be async. Outcomes, tries
    and fallbacks are per item; a call that raises is a failed try of all its items, and their last try is made one by
    one."""

    brought: Callable[[Any], Any] | None = None
    """Converts a return value of ``exec_fallback`` or ``exec_many`` to the item's value, as :meth:`item_call` does for
    ``exec``. None: no conversion."""

    # Not Callable[[Progress], …]: as a method of a subclass it would be refused, which has a self.
    on_progress: Callable[..., object] | None = None
    """Called a few times a second while ``run`` or ``map`` waits for the batch."""

    key_of: Callable[..., str] | None = None
    """Function from an item to its key. May be a method of this name in a subclass, which workers have as well."""

    def __init__(
        self,
        max_retries: int = 1,
        wait: float = 0,
        *,
        retry: Retry | None = None,
        timeout: float | None = None,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        **options: Unpack[BatchOptions],
    ) -> None:
        super().__init__(max_retries, wait, retry=retry, timeout=timeout, name=name, config=config)
        self.configure(options)

    def configure(self, options: BatchOptions) -> None:
        """Set the keywords of a batch node; for constructors of subclasses, after their ``super().__init__``."""
        unknown = sorted(options.keys() - _OPTIONS)
        if unknown:
            from flowq.batch.options_elsewhere import meant_by  # for this error alone

            made_of_function = "__wrapped__" in vars(type(self))
            what = f"node {type(self).__name__}" if made_of_function else f"{type(self).__name__}()"
            near = meant_by(unknown[0], (*_NODES_OPTIONS, *_OPTIONS))
            meant = f"; did you mean {near}?" if near else ""
            raise TypeError(f"{what} got an unexpected keyword argument {unknown[0]!r}{meant}")
        self.label = options.get("label")
        self.limit = options.get("limit")
        hooks = options.get("hooks")
        if hooks is not None:
            self.listen(hooks)
        told = options.get("on_progress")
        if told is not None:
            require_function("on_progress", told)
            self.on_progress = told
            self._arguments[1].pop("on_progress", None)  # not sent to workers
        key = options.get("key")
        if key is not None:
            require_function("key", key)
            self.key_of = key
        self._options = {name: value for name, value in options.items() if name not in _OWN_OPTIONS}
        given = options.get("policy")
        if given is not None:
            if not isinstance(given, BatchPolicy):
                raise TypeError(f"policy takes a flowq.BatchPolicy, not {given!r:.200}")
            if self._options or self.retry != Retry() or self.timeout is not None:
                raise ValueError("give either policy=BatchPolicy(...) or its parts as keywords, not both")
            self.retry, self.timeout = given.retry, given.timeout
        self._policy = given or self._made_policy()
        if self._policy.cache is not None and self.carries_changes:
            raise ValueError("a BatchFlow's items change the store: their results cannot come from a cache")
        if self._policy.cache is not None and self.reduces:
            raise ValueError(
                "a reduction keeps no values of items that a cache could give again: cache them in a node before it"
            )
        if self._policy.cache is not None and self.key_of is None:
            raise ValueError("cache= goes by the items' keys: give key=, or define a method key_of(self, item)")

    def policy(self) -> BatchPolicy:
        """The policy of the node's batches."""
        if self._policy is None:  # an __init__ without super().__init__()
            self._policy = self._made_policy()
        return self._policy

    def _made_policy(self) -> BatchPolicy:
        return BatchPolicy(retry=self.retry, timeout=self.timeout, **self._options)

    # -- one item --------------------------------------------------------------------------------------------------

    @property
    def computes_once(self) -> bool:
        """Whether items with the same key are computed once: they have keys, and their only result is a value."""
        return self.key_of is not None and not self.reduces and not self.carries_changes

    def item_call(self) -> Callable[..., Any]:
        """The function that is called with one item; it may be ``async def`` and may declare ``*, ctx``."""
        return whole(self.exec, self.gather) if self.gathers else self.exec

    def mistakes(self) -> list[str]:
        """Reports a node without exec and exec_many, whose values would all be None, and a rate that names a missing
        method.
        """
        for name in (one for rate in self.policy().rates() for one in (rate.key, rate.weight)):
            if isinstance(name, str) and not callable(getattr(self, name, None)):
                return [f"a rate of {self.name} names a method {name!r}, which {type(self).__name__} does not have"]
        if self.exec_many is not None or function_of(self.item_call()) is not Node.exec:
            return []
        return [
            f"{type(self).__name__} defines neither exec nor exec_many, so that nothing is done with its items: "
            "define exec(self, item)"
        ]

    def in_flight(self) -> int:
        """The number of items that one process keeps in flight; 1 means one after another."""
        is_async_item = is_async(self.exec_many or self.item_call()) or is_async(self.exec_fallback)
        return self.policy().places(is_async=is_async_item)

    def counted(self) -> int:
        """The number of items of one process that count towards ``concurrency``."""
        places = self.in_flight()
        return max(places, self.policy().group_size) if self.exec_many is not None else places

    def over(self, shared: Any) -> Self:
        """The node whose items run on the store *shared*: a copy if it uses the store, else this node."""
        return self

    def merged(self, runs: Sequence[Done]) -> Any:
        """The aggregate of the items of *runs*: a batch flow's changes, a reduction's value; else None."""
        return None

    def condensed(self, deltas: list[Any]) -> list[Any]:
        """*deltas* of neighbouring items, some merged to save bytes; never past a None, which stands for no delta."""
        return deltas

    def fold(self, deltas: Sequence[Any]) -> Any:
        """Merge *deltas* of consecutive parts of the batch, in item order."""
        return list(deltas)

    # -- many items ------------------------------------------------------------------------------------------------

    def executor(self) -> Executor:
        """The executor of this node's batches."""
        return active()

    def job(
        self,
        items: Any,
        *others: Any,
        shared: Any = None,
        key: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        on_error: OnError | None = None,
    ) -> BatchJob:
        """The batch of this node over *items*.

        Raises:
            TypeError: *others* were given.
            ValueError: *on_error* is not valid.
            FlowError: the node has a mistake, such as no ``exec``.
        """
        if others:
            raise TypeError(
                f"{self.name} was given {len(others) + 1} iterables, and a batch has one: zip them, as in "
                f"node.map(zip(xs, ys)), and take each item apart in exec: `x, y = item`"
            )
        wrong = self.mistakes()
        if wrong:
            raise FlowError(wrong[0])
        policy = self.policy()
        if on_error is not None:
            if on_error not in get_args(OnError):
                raise ValueError(f"on_error is one of {', '.join(get_args(OnError))}, not {on_error!r}")
            policy = policy.model_copy(update={"on_error": on_error})
        return BatchJob(
            node=self,
            items=readable(self.name, items),
            policy=policy,
            shared=shared if self.carries_changes else None,
            label=label or self.label or self.name,
            key=key,
            limit=self.limit if limit is None else limit,
        )

    def _job_of_flow(self, prep_res: Any, shared: Any) -> BatchJob:
        """The batch over what ``prep`` returned. Warns if it has no items only because the node does not say where."""
        if prep_res is None and function_of(self.prep) is Node.prep:
            warnings.warn(
                f"{self.name} runs no items: it has no prep. Define prep(self, shared) to return them, or use "
                f'flowq.MapNode(fn, items="key"); node.map(items) runs items without a flow',
                stacklevel=2,
            )
        return replace(self.job(prep_res, shared=shared), after_prep=True)

    def perform(self, shared: Any, prep_res: Any) -> Steps[Any]:
        """Execute the batch, in the place of the tries of ``exec``. Returns ``exec_res`` for ``post``."""
        if self.carries_changes:
            require_store(shared)
        result = yield from self.executor().execute(self._job_of_flow(prep_res, shared))
        self.take(shared, result)
        return self.conclude(prep_res, result)

    def conclude(self, prep_res: Any, result: BatchResult[Any]) -> Any:
        """``exec_res`` for ``post``: the result of the batch, unless overridden."""
        return result

    def note_failed_item(self, error: Exception, index: int, attempt: int) -> None:
        """Add a note to *error* with the item that failed and the try."""
        add_failure_note(error, node=self.name, item_index=index, attempts=attempt + 1)
        add_left_behind_note(error, self)

    def take(self, shared: Any, result: BatchResult[Any]) -> None:
        """Apply the changes of the items to *shared*."""

    def continues(self) -> bool:
        """See :meth:`LifeCycle.continues`."""
        return not self.is_local and isinstance(self.journey, BatchJourney) and self.journey.continues_from_batch()

    def item_continues(self, index: int) -> bool:
        """Whether the coming try of the item at *index* continues one that was left."""
        return False

    def visit(self, shared: Any) -> Steps[str | None]:
        """See :meth:`LifeCycle.visit`. A resumable walk is left here while the batch runs, and continued after it."""
        journey = self.journey
        if self.is_local or not isinstance(journey, BatchJourney):
            self.journey = None
            return (yield from super().visit(shared))
        collected = (yield from journey.collect(self, shared)) if journey.waits_for_batch() else None
        if collected is None:
            prep_res = yield self.phase(0), (shared,)
            result = yield from journey.fan_out(self._job_of_flow(prep_res, shared))
        else:
            prep_res, result = collected
        self.take(shared, result)
        action = yield self.phase(3), (shared, prep_res, self.conclude(prep_res, result))
        return action if action is None or action.__class__ is str else checked_action(action, self.name)

    def map(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *others: Never,
        label: str | None = None,
        limit: int | None = None,
        on_error: OnError | None = None,
    ) -> BatchResult[Result]:
        """Run ``exec`` on each of *items* and return the values in order. ``prep`` and ``post`` are not called.

        Args:
            items: an iterable or async iterable of items.
            others: not accepted: zip several iterables, so that each item is a tuple.
            label: the displayed name of the batch.
            limit: the number of first items to run.
            on_error: for this batch, instead of the node's.

        Raises:
            BatchError: items failed, as ``on_error`` and ``max_failures`` say.
            BatchInputError: *items* is not iterable.
            LoopRunning: ``exec`` or the items are async, and this thread runs an event loop already: use
                :meth:`map_async`.
        """
        try:
            return drive(self.executor().execute(self.job(items, *others, label=label, limit=limit, on_error=on_error)))
        except LoopRunning as error:
            raise LoopRunning(error.what, instead="node.map_async(items)") from None

    async def map_async(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *others: Never,
        label: str | None = None,
        limit: int | None = None,
        on_error: OnError | None = None,
    ) -> BatchResult[Result]:
        """Like :meth:`map`, in the running event loop."""
        return await drive_async(
            self.executor().execute(self.job(items, *others, label=label, limit=limit, on_error=on_error))
        )

    def submit(
        self,
        items: Iterable[Item] | AsyncIterable[Item],
        *others: Never,
        key: str | None = None,
        label: str | None = None,
        limit: int | None = None,
        on_error: OnError | None = None,
    ) -> Handle[Result]:
        """Start a batch on the active executor and return at once.

        A thread of this program reads items that are no sequence. A program that ends meanwhile goes on until they are
        written (in one process: until they have run), unless an exception ends it.

        Args:
            items: an iterable or async iterable of items.
            others: not accepted, as for :meth:`map`.
            key: identifies the batch together with its label: submitting both again attaches to the existing batch.
            label: the displayed name of the batch.
            limit: the number of first items to run.
            on_error: for this batch, instead of the node's.
        """
        return active().submit(self.job(items, *others, key=key, label=label, limit=limit, on_error=on_error))


def sent_to_workers(nodes: Iterable[Node[Any, Any]]) -> list[Fanout[Any, Any]]:
    """Those of *nodes* whose items run on workers, where there are any."""
    return [node for node in nodes if isinstance(node, Fanout) and not node.is_local]
