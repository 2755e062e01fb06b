"""``flowq run``: runs one flow, with its batches on workers or in this process."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from flowq.batch.executor import activated
from flowq.batch.fanout import Fanout
from flowq.batch.inline.executor import InlineExecutor
from flowq.batch.results.as_json import plain
from flowq.cli.attention import Detached
from flowq.cli.figures import record_of
from flowq.cli.fleet import Local, Sent, local_options, refuse_local, to_fleet, to_local_workers
from flowq.cli.group import FAILED, INTERRUPTED, Mistake, emit, json_option
from flowq.cli.loading import load, module_of
from flowq.cli.shared_values import parsed, show_store
from flowq.cli.words import one_line
from flowq.client.display import Mode, display
from flowq.client.watching import Waited
from flowq.client.wording import span_text
from flowq.core.node import Node
from flowq.core.walks.flow import Flow
from flowq.errors import BatchError, FlowqError, ItemError
from flowq.portable import format_traceback
from flowq.settings import Settings


@click.command()
@click.argument("target", metavar="MODULE:FLOW")
@click.option("--local", is_flag=True, help="Start workers and a Redis for this run; keep what they did in .flowq.")
@local_options
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Put a value (JSON or text) into the store.")
@click.option("--limit", type=click.IntRange(0), help="Only so many of the first items of each batch.")
@click.option("--progress", type=click.Choice(["auto", "bar", "lines", "off"]), help="How progress is shown on stderr.")
@json_option
def run(
    target: str, local: bool, workers: int | None, slots: int | None, queues: tuple[str, ...], values: tuple[str, ...],
    limit: int | None, progress: Mode | None, as_json: bool,
) -> None:  # fmt: skip
    """Run a flow and wait for its end.

    MODULE:FLOW is a flow, a node, or a function that returns one: `prices:flow` for `flow` in prices.py. Its batches go
    to the workers at FLOWQ_BROKER_URL, with --local to workers that are started for it, else they run in this process.

    Ctrl-C leaves a batch running on the fleet and prints how to watch it again; pressed twice it cancels the batch.
    """
    store = parsed(values)
    node = load(target)
    limited(node, limit)
    console = Console(stderr=True)
    settings = Settings()
    shown = display(progress or settings.progress, console)
    if local and settings.broker_url is not None:
        raise Mistake("FLOWQ_BROKER_URL is set, and --local does not use it: give one of them")
    if not local:
        refuse_local(workers, slots, queues, ": give --local, too")
    began = time.monotonic()
    place: AbstractContextManager[Sent | None]
    if local:
        place = to_local_workers(Local(workers or 1, slots, queues), (module_of(target),), shown, console)
    elif settings.broker_url is not None:
        place = to_fleet(settings, shown, console)
    else:
        place = in_this_process()
    with place as sent:
        status, action = outcome_of(node, store, console)
        batches = [] if sent is None else sent.attention.seen
        if as_json:
            emit(
                {
                    "succeeded": status == 0,
                    "action": action,
                    "seconds": round(time.monotonic() - began, 3),
                    "batches": [record_of(one.id, one.label, one.state()) for one in batches],
                    "shared": {str(key): plain(value) for key, value in store.items()},
                }
            )
        elif status != INTERRUPTED:
            summarize(console, batches, action, status, time.monotonic() - began)
            if sent is None:
                console.print("Batches ran in this process, and nothing of them is kept: see --local.", style="dim")
            show_store(Console(), store)
    sys.exit(status)


@contextmanager
def in_this_process() -> Iterator[None]:
    """Run batches in this process, without a warning: the command mentions it at its end."""
    with activated(InlineExecutor()):
        yield


def limited(node: Node[Any, Any], limit: int | None) -> None:
    """Limit every batch of *node* to *limit* items."""
    if limit is not None:
        for one in [node, *(node.nodes() if isinstance(node, Flow) else [])]:
            if isinstance(one, Fanout):
                one.limit = limit


def outcome_of(node: Node[Any, Any], store: dict[str, Any], console: Console) -> tuple[int, str | None]:
    """Run *node* over *store*; returns the exit status and the last action. Prints what failed."""
    try:
        return 0, node.run(store)
    except BatchError as error:
        console.print(Text(one_line(error.message), "bold red"))
        index, first = next(iter(error.errors.items()))
        item = error.results.items[index] if error.results is not None else None
        say_failure(console, index, None if item is None else item.input, first)
        return FAILED, None
    except Detached:
        return INTERRUPTED, None
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return INTERRUPTED, None
    except (Exception, SystemExit) as error:  # a node that exits has failed: its status is none of this command's
        if isinstance(error, FlowqError) and not isinstance(error, ItemError):
            raise
        console.print(format_traceback(error).rstrip(), markup=False, highlight=False, soft_wrap=True)
        return FAILED, None


def say_failure(console: Console, index: int, item: Any, error: Exception) -> None:
    """Print the failed item and the place of the error."""
    console.print(f"item {index}: {one_line(repr(item))}" if item is not None else f"item {index}", markup=False)
    console.print(format_traceback(error).rstrip(), markup=False, highlight=False, soft_wrap=True)


def summarize(console: Console, batches: list[Waited], action: str | None, status: int, seconds: float) -> None:
    """Print the outcomes of the batches, and what to do about failures."""
    for handle in batches:
        state = handle.state()
        if state.failed:
            console.print(
                f"{state.failed:,} of {state.avail:,} items failed in {handle.id}.\n"
                f"  why:        [bold]flowq failures {handle.id}[/bold]\n"
                f"  once more:  [bold]flowq retry {handle.id}[/bold]",
                highlight=False,
            )
    if status == 0:
        ended = f", with action {action!r}" if action not in (None, "default") else ""
        console.print(f"Done in {span_text(seconds)}{ended}.", markup=False, highlight=False)
