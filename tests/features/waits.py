"""Nodes that wait for several events at once, in each of the ways that asyncio and flowq have for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import flowq


def note(path: str) -> None:
    """One line more."""
    with Path(path).open("a") as file:
        file.write("done\n")


class Answer(flowq.Node[Any, Any]):
    """Keeps what it came to."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["answer"] = exec_res


class RacesCalls(Answer):
    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        timeout_s = self.config.get("timeout_s")
        return await flowq.race(ctx.wait_for("one", timeout=timeout_s), ctx.wait_for("two", timeout=timeout_s))


class RacesTwice(Answer):
    """A race, and then one more wait."""

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        first = await flowq.race(ctx.wait_for("one"), ctx.wait_for("two"))
        return [first, await ctx.wait_for("go-on")]


class Groups(Answer):
    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ctx.wait_for(name)) for name in ("one", "two")]
        return [task.result() for task in tasks]


class FirstCompleted(Answer):
    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        tasks = [asyncio.create_task(ctx.wait_for(name)) for name in ("one", "two")]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        return [task.result() for task in done]


class Works(flowq.Node[Any, Any]):
    """Takes its time in an event loop, and says in a file when it has ended."""

    def __init__(self, path: str, seconds: float) -> None:
        super().__init__()
        self.path, self.seconds = path, seconds

    async def exec(self, prep_res: Any) -> None:
        await asyncio.sleep(self.seconds)
        note(self.path)


class Patient(flowq.Node[Any, Any]):
    """Waits in vain for a moment, twice; between the two it lets more time pass."""

    def __init__(self) -> None:
        super().__init__(max_retries=2, wait=0.6)

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> None:
        await ctx.wait_for("nothing", timeout=0.1)
