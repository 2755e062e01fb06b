"""Nodes whose items end in ways of their own, for workers to import."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import flowq
from tests.nodes import Refused


class Panic(BaseException):
    """As extensions and test tools raise: not even an Exception."""


def breaks(how: str) -> None:
    """End as *how* says."""
    if how == "cancelled":
        asyncio.run(_cancelled())
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    raise Panic("no more") if how == "panic" else asyncio.CancelledError


async def _cancelled() -> None:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner


class Breaks(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends with what is no Exception."""

    def __init__(self, how: str, **options: Any) -> None:
        super().__init__(**options)
        self.how = how

    def exec(self, item: int) -> int:
        if item == 2:
            breaks(self.how)
        return item

    def exec_fallback(self, prep_res: int, exc: Exception) -> int:
        if isinstance(exc, Refused):
            breaks(self.how)
        raise exc


class BreaksAsync(Breaks):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        if item == 2:
            await (_cancelled() if self.how == "cancelled" else asyncio.to_thread(breaks, self.how))
        return item


class BreaksAll(Breaks):
    """The same, several items a call; it says so of one item."""

    def exec_many(self, items: Sequence[int]) -> list[Any]:
        return [Panic("no more") if item == 2 else item for item in items]


class BreaksCalls(Breaks):
    """The same, one item a call."""

    async def exec_many(self, items: Sequence[int]) -> list[int]:
        if 2 in items:
            await _cancelled()
        return list(items)


class BreaksInFallback(Breaks):
    """The fallback of item 2 does."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise Refused("two")
        return item


class BreakingStep(flowq.Node[int, None]):
    def prep(self, shared: Any) -> int:
        return int(self.params["n"])

    def exec(self, prep_res: int) -> None:
        if prep_res == 2:
            breaks("cancelled")

    def post(self, shared: Any, prep_res: int, exec_res: None) -> None:
        shared["seen"] = [prep_res]


class Exits(flowq.Node[Any, None]):
    """A node that ends the process, as it thinks."""

    def exec(self, prep_res: Any) -> None:
        sys.exit(3)


class BreakingFlow(flowq.BatchFlow):
    """The item of 2 ends with what is no Exception, in a node of its flow."""

    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(4)]


class EndsItsProcess(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends the process that runs it."""

    def exec(self, item: int) -> int:
        if item == 2:
            os._exit(3)
        return item


class ForksAndExits(flowq.ParallelBatchNode[int, int]):
    """Item 2 forks a child, which ends itself as any program does."""

    def exec(self, item: int) -> int:
        if item == 2:
            child = os.fork()
            if child == 0:
                sys.exit(7)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return item


class ToldToEnd(flowq.ParallelBatchNode[int, int]):
    """Item 2 is told to end its process, once, as a worker or an init system tells it."""

    def __init__(self, once: str, **options: Any) -> None:
        super().__init__(**options)
        self.once = once

    def exec(self, item: int) -> int:
        if item == 2 and not os.path.exists(self.once):
            os.close(os.open(self.once, os.O_CREAT))
            os.kill(os.getpid(), signal.SIGTERM)
        return item


class ClosesItself(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends with what neither an item nor a process ends with."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise GeneratorExit
        return item


class ClosesItselfAsync(ClosesItself):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return ClosesItself.exec(self, item)


async def later(value: int) -> int:
    """What nobody awaits."""
    return value


class Forgets(flowq.ParallelBatchNode[int, Any]):
    """Returns for 2 what waits to be awaited; so does the fallback of 3."""

    def exec(self, item: int) -> Any:
        if item == 3:
            raise Refused("three")
        return later(item) if item == 2 else item

    def exec_fallback(self, prep_res: int, exc: Exception) -> Any:
        return later(prep_res)


class ForgetsInCalls(flowq.ParallelBatchNode[int, Any]):
    """The same of 2, with several items a call."""

    def exec_many(self, items: Sequence[int]) -> list[Any]:
        return [later(item) if item == 2 else item for item in items]


class ForgetsCalls(flowq.ParallelBatchNode[int, Any]):
    """The calls themselves are not awaited."""

    def exec_many(self, items: Sequence[int]) -> Any:
        return later(items[0])


@flowq.register  # type: ignore[type-var]
def cannot_tell(exc: Exception) -> bool:
    """A ``trip_on`` that fails."""
    raise LookupError("cannot tell")


@flowq.register  # type: ignore[type-var]
def key_of_place(params: dict[str, int]) -> str:
    """A ``key`` that has none for 2."""
    if params["n"] == 2:
        raise KeyError("no key")
    return f"key-{params['n']}"


class Refuses(flowq.ParallelBatchNode[int, int]):
    """Refuses item 2."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise Refused("two")
        return item


class RefusesAll(Refuses):
    """The same, in calls of many."""

    def exec_many(self, items: Sequence[int]) -> list[Any]:
        return [Refused("two") if item == 2 else item for item in items]


class WaitsForever(Refuses):
    """Says when to try again in no number."""

    def retry_delay(self, exc: Exception, attempt: int) -> Any:
        return datetime.timedelta(seconds=2)


class WaitsForeverAll(RefusesAll):
    retry_delay = WaitsForever.retry_delay


@flowq.register
class Odd(Exception):
    """Has notes that are none, and no text."""

    def __init__(self) -> None:
        super().__init__()
        self.__notes__ = 5  # type: ignore[assignment]


class OddAndMute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class RaisesOdd(flowq.ParallelBatchNode[int, int]):
    """Item 2 fails with an exception whose notes are none."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise Odd
        return item


class RaisesMute(flowq.ParallelBatchNode[int, int]):
    """Item 2 fails with an exception that has no text, which says nothing against another try."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise OddAndMute
        return item


class Passes(flowq.Node[Any, None]):
    """Does nothing."""


@flowq.register
class Listens(flowq.Hook):
    """Is told of items."""

    def on_item_error(self, event: flowq.Event) -> None:
        pass

    def on_item_start(self, event: flowq.Event) -> None:
        pass


class CannotOpen(flowq.ParallelBatchNode[int, int]):
    """What its items need cannot be opened."""

    def setup(self) -> None:
        raise ConnectionRefusedError("no database")

    def exec(self, item: int) -> int:
        return item


class CannotOpenAsync(CannotOpen):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        return item


class CannotBeMade(flowq.ParallelBatchNode[int, int]):
    """Cannot be made elsewhere than in the process of this id."""

    def __init__(self, pid: int, **options: Any) -> None:
        super().__init__(**options)
        self.pid = pid
        if os.getpid() != pid:
            raise LookupError("no key")

    def exec(self, item: int) -> int:
        return item


class CannotBeMadeOfNothing(CannotBeMade):
    """What its constructor calls elsewhere gets something of a wrong type."""

    def __init__(self, pid: int, **options: Any) -> None:
        super().__init__(os.getpid(), **options)
        self.port = int(str(pid) if os.getpid() == pid else None)  # type: ignore[arg-type]


class CannotBeMadeOfAnother(CannotBeMade):
    """What its constructor calls elsewhere is not given what it takes."""

    def __init__(self, pid: int, **options: Any) -> None:
        super().__init__(os.getpid(), **options)
        self.passes = Passes(*([] if os.getpid() == pid else [1, 2, 3]))  # type: ignore[arg-type]


class CannotOpenFlow(BreakingFlow):
    """So is what the items of this flow need."""

    def setup(self) -> None:
        raise ConnectionRefusedError("no database")
