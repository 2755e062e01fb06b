"""A person decides: letters are drafted, put on a desk, and sent or rewritten. While they wait they occupy no process.

python examples/approval.py            in this process
python examples/approval.py --local    on two worker processes

Each letter is a run of the flow, which continues even if the process that submitted it dies. The desk is a folder here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import flowq

OWED = {"Ada": 120, "Grace": 3000, "Alan": 45}
OPENINGS = {"friendly": "may we remind you of", "firm": "this is our last reminder of"}


class Draft(flowq.Node):
    """Writes the letter, in the tone that is wanted."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["drafts"] += 1
        shared["letter"] = f"Dear {shared['to']}, {OPENINGS[shared['tone']]} the {shared['owed']} € that you owe us."


class Ask(flowq.Node):
    """Puts the letter on the desk and waits for an answer."""

    def prep(self, shared: Any) -> None:
        # This runs again when the answer arrives: the same letter is put in the same place, which does no harm.
        (Path(shared["desk"]) / f"{shared['to']}-{shared['drafts']}").write_text(shared["letter"])

    async def exec(self, prep_res: None, *, ctx: flowq.ItemContext) -> dict[str, str]:
        return dict(await ctx.wait_for("answer"))

    def post(self, shared: Any, prep_res: Any, answer: dict[str, str]) -> str:
        shared["tone"] = answer.get("tone", shared["tone"])
        return answer["decision"]


def person(desk: str, runs: dict[str, Any]) -> None:
    """Reads what comes to the desk: whoever owes much is to be told so firmly."""
    for name, run in runs.items():
        letter = read(Path(desk) / f"{name}-1")
        if OWED[name] > 1000:
            print(f"no: {letter}")
            run.send("answer", {"decision": "again", "tone": "firm"})
            read(Path(desk) / f"{name}-2")
        run.send("answer", {"decision": "send"})


def read(file: Path) -> str:
    """The text of *file* as soon as there is one."""
    while not file.exists() or not (text := file.read_text()):
        time.sleep(0.01)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--local", action="store_true", help="run the flows on two worker processes")
    given = parser.parse_args()

    draft = Draft()
    ask = draft >> Ask()
    ask - "again" >> draft
    ask - "send" >> flowq.Node()
    letters = flowq.Flow(start=draft)
    with tempfile.TemporaryDirectory() as desk, flowq.LocalCluster(slots=2) if given.local else nullcontext():
        begin = {"tone": "friendly", "drafts": 0, "desk": desk}
        runs = {name: letters.submit({**begin, "to": name, "owed": owed}) for name, owed in OWED.items()}
        person(desk, runs)
        for run in runs.values():
            print(f"sent: {run.result(timeout=60).shared['letter']}")


if __name__ == "__main__":
    main()
