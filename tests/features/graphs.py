"""Nodes wired into graphs by the tests, which run them here and, as the one item of a batch flow, on workers."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel

import flowq
from flowq.compat import grapheteria, pocketflow, state_node
from tests.nodes import record


class Once(flowq.BatchFlow):
    """Runs its flow once, where the executor runs items, and notes the last action."""

    def prep(self, shared: Any) -> list[dict[str, Any]]:
        return [{}]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["action"] = exec_res[0]


def once(start: flowq.Node, shared: Any) -> Any:
    """Run the graph from *start* on *shared*, wherever the active executor runs items; returns *shared*."""
    Once(start=start, merge="last").run(shared)
    return shared


class Phases(flowq.Node):
    def prep(self, shared: Any) -> Any:
        return shared["n"]

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["phases"] = [prep_res, exec_res]
        return "done"


class AsyncPhases(flowq.Node):
    """Two of the four are async."""

    def prep(self, shared: Any) -> Any:
        return shared["n"]

    async def exec(self, prep_res: Any) -> Any:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def exec_fallback(self, prep_res: Any, exc: Exception) -> Any:
        await asyncio.sleep(0)
        return str(exc)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["phases"] = [prep_res, exec_res]


class Prepares(grapheteria.Node):
    def prepare(self, shared: Any, request_input: Any) -> Any:
        return shared["n"]

    def execute(self, prepared: Any) -> Any:
        return prepared + 1

    def cleanup(self, shared: Any, prepared: Any, result: Any) -> str:
        shared["phases"] = [prepared, result]
        return "ignored"


class OfState(state_node.BaseNode):
    def execute(self, state: Any, runtime: Any) -> dict[str, Any]:
        return {"phases": [state.n, state.n + 1], "attempt": runtime.attempt}


class PocketPhases(pocketflow.AsyncNode):
    async def prep_async(self, shared: Any) -> Any:
        return shared["n"]

    async def exec_async(self, prep_res: Any) -> Any:
        return prep_res + 1

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["phases"] = [prep_res, exec_res]
        return "done"


class SeesStore(flowq.ParallelBatchNode[int, bool]):
    """Tries to smuggle the store into exec."""

    def prep(self, shared: Any) -> list[int]:
        self.store = shared
        return [0]

    def exec(self, item: int) -> bool:
        return hasattr(self, "store")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["seen"] = exec_res[0]


class Says(flowq.Node):
    """Notes its name, and returns the action it was made with."""

    def __init__(self, action: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.action = action

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared.setdefault("said", []).append(self.name)
        return self.action


class Promises(Says):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Literal["ok", "retry"]:
        return "ok"


class Counts(flowq.Node):
    """Counts its visits in an int and in a list of its own; a visit copies the one and shares the other."""

    def __init__(self) -> None:
        super().__init__()
        self.n, self.all = 0, list[int]()

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        self.n += 1
        self.all.append(self.n)
        shared["left"] -= 1
        shared["counts"] = list(self.all)
        return "again" if shared["left"] else "enough"


class Asks(flowq.ParallelBatchNode[Any, Any]):
    """What ``ctx`` says, of an item."""

    def key_of(self, item: Any) -> str:  # type: ignore[override]
        return f"key {item}"

    def exec(self, item: Any, *, ctx: flowq.ItemContext) -> Any:
        if ctx.attempt == 0:
            raise ValueError("once")
        return [ctx.attempt, ctx.item_index, ctx.item_key, dict(ctx.config), ctx.cancelled, ctx.node]


class TakesAnyNames(flowq.ParallelBatchNode[Any, Any]):
    """Positional parameters are the user's own, whatever they are called."""

    def exec(self, ctx: Any) -> Any:
        return ctx


class AsksEverywhere(flowq.Node):
    def prep(self, shared: Any, *, ctx: flowq.ItemContext) -> Any:
        return ctx.config["n"]

    def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        return prep_res + ctx.config["n"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any, *, ctx: flowq.ItemContext) -> None:
        shared["asked"] = [exec_res, ctx.node, self.config["n"]]


class Brings(flowq.ParallelBatchNode[Any, Any]):
    def exec(self, item: Any) -> Any:
        return {"none": None, "list": [1], "text": "x", "action": "not an action here"}.get(item)


class Where(flowq.Node):
    """Which thread ran it."""

    def exec(self, prep_res: Any) -> Any:
        return threading.get_ident()

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["thread"] = exec_res


@flowq.node(max_retries=2, prep=lambda shared: shared["n"])
def doubled(n: int, *, ctx: flowq.ItemContext) -> int:
    if ctx.attempt == 0:
        raise ValueError("once")
    return n * 2


def n_of(shared: Any) -> int:
    return int(shared["n"])


def keep(shared: Any, prep_res: Any, exec_res: Any) -> str:
    shared["made"] = exec_res
    return "kept"


def tripled(n: int) -> int:
    return n * 3


made = flowq.node(exec=tripled, prep=n_of, post=keep, name="made")


class Tries(flowq.ParallelBatchNode[Any, Any]):
    """Item n fails on its first n tries; brings the numbers of its last try, as node and context have them."""

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:
        if ctx.attempt < item:
            raise flowq_error(item)
        return [self.cur_retry, ctx.attempt]


class AsyncTries(Tries):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:  # type: ignore[override]
        await asyncio.sleep(0.001 * (5 - item))
        return Tries.exec(self, item, ctx=ctx)


def flowq_error(item: int) -> Exception:
    return Refused(item) if item % 2 else KeyError(item)


@flowq.register
class Refused(Exception):
    """An error that both sides know."""


class FallsBack(Tries):
    async def exec_fallback(self, prep_res: int, exc: Exception) -> Any:
        await asyncio.sleep(0)
        return f"instead of {prep_res}: {exc!r}"


class Fails(flowq.Node):
    """Fails in the method it is made for, and counts the calls of each in the store or, of exec, in ``calls``."""

    def __init__(self, where: str, **options: Any) -> None:
        super().__init__(**options)
        self.where, self.calls = where, list[str]()

    def prep(self, shared: Any) -> None:
        self.called("prep")

    def exec(self, prep_res: Any) -> None:
        self.called("exec")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        self.called("post")

    def called(self, where: str) -> None:
        self.calls.append(where)
        if where == self.where:
            raise Refused(",".join(self.calls))


class Patient(Tries):
    """Decides by the error, on every failure: one is final, another is worth one more try than the policy gives."""

    def retry_delay(self, exc: Exception, attempt: int) -> float | None:
        if isinstance(exc, KeyError):
            return None
        return 0.001 * attempt if attempt < 3 else None


class Inner(flowq.Flow):
    def prep(self, shared: Any) -> str:
        return "prepared"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["flow"] = [prep_res, exec_res]
        return exec_res


class ShowsParams(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["params"] = [*shared.get("params", []), dict(self.params)]


def is_big(shared: Any) -> bool:
    return bool(shared["n"] > 10)


def is_odd(shared: Any) -> bool:
    return bool(shared["n"] % 2)


class UsesTheStore(flowq.Node):
    """What a SharedStore, or the view of one on a worker, offers."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["read"] = [
            shared.get_int("float"),
            shared.get_float("int"),
            shared.get_int("text", 0),
            shared.get_int("missing", 7),
            shared.get_str("text"),
            shared.get_bool("flag"),
            shared.get_list("list"),
            shared.get_dict("dict"),
            shared.get_as("list", list[int]),
        ]
        shared["user"] = shared.bind("raw", User)
        shared["required"] = list(shared.require("int", "flag"))
        shared.merge({"merged": True})
        shared["keys"] = sorted(shared.snapshot())


@flowq.register
@dataclass
class User:
    name: str
    age: int


class CountsDown(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["n"] -= 1
        return "again" if shared["n"] else "done"


class Conditional(grapheteria.Node):
    """Its edges ask the store."""


class PostsResults(Once):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["post"] = (prep_res, list(exec_res))
        return "next"


@flowq.register
class Typed(BaseModel):
    total: Annotated[int, flowq.Add] = 0
    seen: Annotated[list[int], flowq.Append] = []


class Adds(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["total"] += self.params["n"]
        shared["seen"].append(self.params["n"])


class Counting(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(5)]


class PocketSays(pocketflow.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared.setdefault("said", []).append(f"{type(self).__name__} {self.params.get('n', '')}".strip())
        return "on"


class AsyncPocketSays(pocketflow.AsyncNode):
    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return PocketSays.post(self, shared, prep_res, exec_res)  # type: ignore[arg-type]


class Squares(flowq.ParallelBatchNode[int, int]):
    def prep(self, shared: Any) -> range:
        return range(shared["n"])

    def exec(self, item: int) -> int:
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["squares"] = list(exec_res)


class PocketBatch(pocketflow.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": 1}, {"n": 2}]


class AsyncPocketBatch(pocketflow.AsyncBatchFlow):
    async def prep_async(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": 1}, {"n": 2}]


class Approval(flowq.Node):
    """Waits for what a person says."""

    def __init__(self, event: str = "approval", **options: Any) -> None:
        super().__init__(**options)
        self.event = event

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        return await ctx.wait_for(self.event)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["answer"] = exec_res
        return "yes" if exec_res["ok"] else "no"


class Hears(flowq.Node):
    """Waits for an event, and keeps what it brought under its name."""

    def __init__(self, event: str, timeout_s: float | None = None) -> None:
        super().__init__()
        self.event, self.timeout_s = event, timeout_s

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        return await ctx.wait_for(self.event, timeout=self.timeout_s)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[self.event] = exec_res


class AsksAPerson(grapheteria.Node):
    async def prepare(self, shared: Any, request_input: Any) -> Any:
        name = await request_input(prompt="Name?", request_id="name")
        return [name, await request_input("Sure?", ["yes", "no"], "select")]

    def cleanup(self, shared: Any, prepared: Any, result: Any) -> None:
        shared["asked"] = prepared


@flowq.register
class Tally(BaseModel):
    """The store of some of them."""

    n: int = 0
    log: list[str] = []


class Counted(flowq.Node):
    """Notes its visit in a file that all processes share; fails while there is a file ``broken`` beside it."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, prep_res: Any) -> None:
        if self.name == "second" and Path(self.path).with_name("broken").exists():
            raise Refused("broken")
        record(self.path, self.name)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["n"] += 1


class Lasting(flowq.Node):
    """A node that takes its time."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def exec(self, prep_res: Any) -> None:
        time.sleep(self.seconds)
