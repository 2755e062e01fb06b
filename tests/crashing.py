"""What workers of the crash-point tests import: a batch flow that notes its executions; two points inside Celery.

Two methods of Celery's stand exactly where a chord can be lost: they are led past crash points of their own.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated, Any

from celery.backends.redis import RedisBackend
from pydantic import BaseModel

import flowq
from flowq.engine.crash_points import CrashPoints
from flowq.settings import Settings
from tests.nodes import record

# "stored": the fold's result is stored and its part not yet counted. "called back": the last part has claimed the
# chord's callback and not yet published it.
IN_CELERY = ("stored", "called back")


class Adds(flowq.Node[int, int]):
    """Notes the execution of its item, and adds it to the store."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def prep(self, shared: Any) -> int:
        return int(self.params["n"])

    def exec(self, prep_res: int) -> int:
        record(self.path, f"{prep_res} 0 0 0")
        return prep_res

    def post(self, shared: Any, prep_res: int, exec_res: int) -> None:
        shared["found"] = [*shared["found"], exec_res]


class AddsAll(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]


def deadly(one: Any, other: Any) -> Any:
    """A reducer that kills whatever process merges with it."""
    os.kill(os.getpid(), signal.SIGKILL)


@flowq.register
class DeadlyToMerge(BaseModel):
    found: Annotated[list[int], deadly] = []


def led_past(points: CrashPoints) -> None:
    """Lead Celery's result backend, in this process and its children, past the two points inside it."""
    count_part, about_to_publish = RedisBackend.on_chord_part_return, RedisBackend._chord_publish_claim_expires

    def on_chord_part_return(self: Any, request: Any, state: Any, result: Any, **options: Any) -> Any:
        points.reached("stored", request.args[0])  # type: ignore[arg-type]
        return count_part(self, request, state, result, **options)

    def chord_publish_claim_expires(self: Any, initial_expires: Any, callback: Any) -> Any:
        points.reached("called back", callback.args[0])  # type: ignore[arg-type]
        return about_to_publish(self, initial_expires, callback)

    RedisBackend.on_chord_part_return = on_chord_part_return
    RedisBackend._chord_publish_claim_expires = chord_publish_claim_expires


class Armed:
    """The folder in which crash points are armed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def env(self) -> dict[str, str]:
        return {"FLOWQ_CRASH_POINTS": str(self.folder)}

    def arm(self, point: str, batches: str) -> None:
        """The next process that reaches *point* with a batch whose id begins with *batches* dies there."""
        written = self.folder / f".{point}"
        written.write_text(batches)
        written.rename(self.folder / point)

    def struck(self, point: str) -> bool:
        return not (self.folder / point).exists()


if (folder := Settings().crash_points) is not None:
    led_past(CrashPoints(folder))
