"""Every error flowq raises. An error carries data, and its message says what to do next.

FlowqError
├── ConfigError              a setting or an installation is not usable
│   ├── NoRedis              nothing answers at the broker's URL
│   └── RedisFull            Redis has no room for more items
├── FlowError                the graph, or how it was run, is wrong
│   ├── UnknownAction        an action without a successor under ``strict=True``
│   ├── LoopRunning          ``run()`` or ``map()`` of async nodes inside a running event loop
│   ├── RunCancelled         the run was cancelled and has no result
│   └── MergeConflict        two items set one key of the store to different values
├── BatchInputError          what ``prep`` returned, or ``submit`` was given, is not an iterable of items
│   └── FewerItems           a batch was submitted again with fewer items than it already has
├── CannotTravel             a node, a class or an argument that cannot be sent to the workers
│   └── UnknownNode          no worker knows the node's class
├── CodecError               a value cannot be encoded, or bytes cannot be decoded
│   ├── EncodeError          a value flowq cannot encode; names the item and the path inside it
│   └── DecodeError          bytes flowq refuses
├── BatchError               items failed (an ExceptionGroup that holds the results of the others)
├── BatchLost                Redis no longer holds the batch or run
├── ResultsFreed             the results were read with ``free=True`` and then deleted
└── ItemError                an item failed for another reason than an exception of its own
    ├── ItemTimeout          the item ran past its ``timeout``
    ├── CircuitOpen          the item was not tried: the batch's breaker is open and fails fast
    ├── ItemCancelled        the batch closed before the item had an outcome
    ├── SinkFailed           its result could not, or may not, be written to the batch's sink
    ├── WorkerCrashed        the process that ran the item died, twice
    ├── WorkerLost           workers were lost while they ran the item, five times
    └── RemoteError          an exception of a class that is not known in this process
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class FlowqError(Exception):
    """Base of every error that flowq itself raises."""


class ConfigError(FlowqError):
    """A setting or an installation is not usable."""


class NoRedis(ConfigError):
    """Nothing answers at the broker's URL."""

    def __init__(self, url: str, reason: str, way_out: str = "") -> None:
        super().__init__(url, reason, way_out)
        self.url = url
        self.reason = reason
        self.way_out = way_out

    def __str__(self) -> str:
        way_out = self.way_out or (
            "Start one there, set FLOWQ_BROKER_URL to one that runs, or use `with flowq.LocalCluster():`, which brings "
            "its own."
        )
        return f"no Redis answers at {self.url} ({self.reason}). {way_out}"


class RedisFull(ConfigError):
    """Redis has no room for more items: flowq keeps a fifth of maxmemory free for the results.

    Attributes:
        used_bytes: memory that counts against maxmemory; 0 if this user may not read it.
        max_bytes: maxmemory; 0 if this user may not read it.
        wanted_bytes: size of the write that was refused; 0 if unknown.
    """

    def __init__(self, used_bytes: int, max_bytes: int, wanted_bytes: int = 0) -> None:
        super().__init__(used_bytes, max_bytes, wanted_bytes)
        self.used_bytes = used_bytes
        self.max_bytes = max_bytes
        self.wanted_bytes = wanted_bytes

    def __str__(self) -> str:
        mib = 1024 * 1024
        what = "Redis refuses to take more: its maxmemory is reached"
        if self.max_bytes:
            used, most, share = self.used_bytes / mib, self.max_bytes / mib, self.used_bytes / self.max_bytes
            what = f"Redis uses {used:.1f} of {most:.1f} MiB ({share:.0%} of maxmemory)"
        wanted = f" and {self.wanted_bytes / mib:.1f} MiB more were to be written" if self.wanted_bytes else ""
        return (
            f"{what}{wanted}. flowq writes no more items above 80 %, so that there is room for the results of those it "
            "has written. Raise maxmemory, let running batches end, or keep finished ones for less time (retention_s)."
        )


class FlowError(FlowqError):
    """The graph, or the way it was run, is wrong."""


class UnknownAction(FlowError):
    """A node returned an action without a successor, under ``strict=True``."""

    def __init__(self, node: str, action: str, known: Sequence[str]) -> None:
        super().__init__(node, action, tuple(known))
        self.node = node
        self.action = action
        self.known = tuple(known)

    def __str__(self) -> str:
        return (
            f"{self.node} returned the action {self.action!r}, which is not among {list(self.known)}. "
            f'Wire it (`node - "{self.action}" >> next_node`), or return one of the known actions.'
        )


class RunCancelled(FlowError):
    """The run was cancelled and has no result."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id

    def __str__(self) -> str:
        return f"the run {self.run_id} was cancelled; run.resume() lets it go on where it stood"


class LoopRunning(FlowError):
    """``run()`` or ``map()`` of a node with async methods or items was called inside a running event loop.

    Attributes:
        what: the node's name.
        instead: the call to await.
    """

    def __init__(self, what: str, *, instead: str = "run_async(shared)") -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead

    def __str__(self) -> str:
        is_async = "async methods" if self.instead.startswith("run") else "async methods or items"
        return f"{self.what} has {is_async} and an event loop already runs here: use `await {self.instead}`."


class MergeConflict(FlowError):
    """Two items of a BatchFlow set one key of the shared store to different values.

    Attributes:
        key: the key; "outer.inner" for a key inside a dict.
        first, second: the indices of the items.
        kind: what both values are: "set", "number", "counter" or "list"; "" for anything else.
        nested: whether the key is inside a dict of the store, where reducers do not apply.
    """

    def __init__(self, key: str, first: int, second: int, *, kind: str = "", nested: bool = False) -> None:
        super().__init__(key, first, second)
        self.key = key
        self.first = first
        self.second = second
        self.kind, self.nested = kind, nested

    def __str__(self) -> str:
        return f"items {self.first} and {self.second} set shared[{self.key!r}] to different values. {self._advice()}"

    def _advice(self) -> str:
        last = 'merge="last" keeps what the later item set, and nothing else'
        if self.kind == "list":
            return f"Lists are extended by what items append: only append to the one that is there. {last}."
        known = {
            "set": ("A set is not united by itself: give it", "flowq.Union"),
            "counter": ("A Counter is not added up by itself: give it", "flowq.Add"),
            "number": ("A number is not added up by itself: give it", "flowq.Add"),
        }
        words, reducer = known.get(self.kind, ("Give the key a reducer:", "..."))
        if self.nested:
            name = reducer if self.kind else "one"
            return f"{words} {name}, under a key of its own, for inside a dict there are no reducers. {last}."
        where = f"merge={{{self.key!r}: {reducer}}}, or Annotated[..., {reducer}] in the store's schema"
        return f"{words} {where}. {last}."


class BatchInputError(FlowqError, TypeError):
    """The items given for a batch are not an iterable of items."""

    def __init__(self, node: str, got: str, *, way_out: str = "") -> None:
        super().__init__(node, got)
        self.node = node
        self.got = got
        self.way_out = way_out

    def __str__(self) -> str:
        if self.way_out:
            return f"{self.node} was given {self.got}. {self.way_out}"
        return (
            f"{self.node} was given {self.got} as its items. Return an iterable of items from prep "
            "(a list, a generator, None for no items); wrap a single item in a list."
        )


class FewerItems(BatchInputError):
    """A partly written batch was submitted again with fewer items than are written, so they are not the same items.

    Attributes:
        given: number of items that were given.
        written: number of items the batch has.
    """

    def __init__(self, node: str, given: int, written: int) -> None:
        FlowqError.__init__(self, node, given, written)
        self.node = node
        self.got, self.way_out = f"{given} items", ""
        self.given = given
        self.written = written

    def __str__(self) -> str:
        return (
            f"{self.node} was given {self.got}, but {self.written} of its batch are written already: these are not the "
            "items that it began with, or some are missing. A batch with a key keeps its items: submit all of them "
            "under that key, or use another key for another batch."
        )


class CannotTravel(FlowqError):
    """A node, a class or a constructor argument cannot be sent to the workers."""

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.what} cannot travel to the workers: {self.reason}"


class UnknownNode(CannotTravel):
    """No worker knows the node's class: none was told to import its module."""


class CodecError(FlowqError, ValueError):
    """A value cannot be encoded, or bytes cannot be decoded."""


class EncodeError(CodecError):
    """A value that flowq cannot encode.

    Attributes:
        path: place inside the value, such as ``["user"].avatar`` ("" for the value itself).
        reason: why it cannot be encoded.
        index: the item's index in its batch, or None.
    """

    def __init__(self, path: str, reason: str, index: int | None = None) -> None:
        super().__init__(path, reason, index)
        self.path = path
        self.reason = reason
        self.index = index

    def __str__(self) -> str:
        where = "the value" if self.index is None else f"item {self.index}"
        return f"cannot encode {where}{' at ' + self.path if self.path else ''}: {self.reason}"


class DecodeError(CodecError):
    """Bytes that flowq refuses to decode.

    Attributes:
        lacks: name of the class or function that is not registered in this process; "" for another reason.
    """

    def __init__(self, reason: str = "", lacks: str = "") -> None:
        super().__init__(reason)
        self.lacks = lacks


def _is_part(part: BaseException, whole: BaseException) -> bool:
    """Whether *part* is *whole*, or a group of exceptions from that group."""
    if not (isinstance(part, BaseExceptionGroup) and isinstance(whole, BaseExceptionGroup)):
        return part is whole
    return all(any(_is_part(one, other) for other in whole.exceptions) for one in part.exceptions)


class BatchError(ExceptionGroup[Exception], FlowqError):
    """Items of a batch failed. An ExceptionGroup of their exceptions.

    Attributes:
        errors: the exception of each failed item, by the item's index.
        results: the batch's ``BatchResult``, which holds the values of the finished items.
    """

    errors: Mapping[int, Exception]
    results: Any

    def __new__(cls, message: str, errors: Mapping[int, Exception], results: Any = None) -> BatchError:
        error = super().__new__(cls, message, list(errors.values()))
        error.errors = dict(errors)
        error.results = results
        return error

    def __init__(self, message: str, errors: Mapping[int, Exception], results: Any = None) -> None:
        super().__init__(message, list(errors.values()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickling, as by a process pool, keeps the errors by index, and of ``results`` the values only."""
        values = list(self.results) if isinstance(self.results, list) else None
        notes = getattr(self, "__notes__", None)
        return type(self), (self.message, dict(self.errors), values), None if notes is None else {"__notes__": notes}

    def derive(self, excs: Sequence[Exception]) -> BatchError:  # type: ignore[override]
        """The group of *excs* with their indices; called by ``except*`` and ``split``."""
        kept = {index: part for index, exc in self.errors.items() for part in excs if _is_part(part, exc)}
        return BatchError(self.message, kept, self.results)


class BatchLost(FlowqError):
    """Redis no longer holds the batch or run: it expired or was deleted, or Redis lost its data.

    Attributes:
        batch_id: id of the batch or run.
        kind: "batch", "run", or "batch or run" if it is not known which.
    """

    def __init__(self, batch_id: str, kind: str = "batch") -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id
        self.kind = kind

    def __str__(self) -> str:
        return (
            f"Redis does not hold {self.kind} {self.batch_id} (any more). `flowq ls` lists those that it holds. It "
            "expired, was deleted, or Redis lost its data: check persistence (appendonly yes) and "
            "maxmemory-policy (noeviction), then submit it again."
        )


class ResultsFreed(FlowqError):
    """The results of a batch were deleted as they were read (``free=True``)."""

    def __init__(self, batch_id: str) -> None:
        super().__init__(batch_id)
        self.batch_id = batch_id

    def __str__(self) -> str:
        return (
            f"the results of batch {self.batch_id} were dropped as they were read (free=True). What nobody has read "
            "yet comes from `handle.results(free=True)`; to read results twice, leave free away."
        )


class ItemError(FlowqError):
    """An item failed for another reason than an exception of its own."""


class ItemTimeout(ItemError):
    """The item ran past its timeout."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"the item ran longer than its timeout of {self.timeout_s:g} s"


class CircuitOpen(ItemError):
    """The item was not tried: its breaker is open after too many failed tries, and fails fast."""

    def __init__(self, retry_in_s: float) -> None:
        super().__init__(retry_in_s)
        self.retry_in_s = retry_in_s

    def __str__(self) -> str:
        return (
            f"the breaker is open for {self.retry_in_s:.1f} s more: tries before this one failed. Retry the failed "
            "items later, or leave out fail_fast=True to have them wait."
        )


class ItemCancelled(ItemError):
    """The batch closed before this item had an outcome."""


class SinkFailed(ItemError):
    """The item's result could not be written to the batch's sink. If its worker may not write there, it never ran."""


class WorkerCrashed(ItemError):
    """The process that ran the item died each time it was tried."""


class WorkerLost(ItemError):
    """Workers were lost while they ran the item, too many times."""


class RemoteError(ItemError):
    """An exception whose class is neither a builtin nor registered, and so is not rebuilt in this process.

    Attributes:
        type_name: the class of the exception, ``module.QualName``.
        message: its ``str()``.
        traceback: its formatted traceback, at most 16 KiB.
    """

    def __init__(self, type_name: str, message: str, traceback: str = "") -> None:
        super().__init__(type_name, message, traceback)
        self.type_name = type_name
        self.message = message
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}"
