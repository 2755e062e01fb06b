"""``flowq submit``: hands a whole flow to the workers."""

from __future__ import annotations

import click

from flowq.batch.executor import activated
from flowq.cli.group import Mistake, emit, json_option
from flowq.cli.loading import load
from flowq.cli.run import limited
from flowq.cli.shared_values import parsed
from flowq.client import connect
from flowq.core.walks.flow import Flow
from flowq.core.walks.runs import RunStatus
from flowq.engine.patience import redis_in_words
from flowq.settings import Settings


@click.command()
@click.argument("target", metavar="MODULE:FLOW")
@click.option("--set", "values", multiple=True, metavar="KEY=VALUE", help="Put a value (JSON or text) into the store.")
@click.option("--key", help="Identity of the run: under the same key there is only one.")
@click.option("--label", help="Name of the run for people (default: the flow's).")
@click.option("--limit", type=click.IntRange(0), help="Only so many of the first items of each batch.")
@json_option
def submit(
    target: str, values: tuple[str, ...], key: str | None, label: str | None, limit: int | None, as_json: bool
) -> None:
    """Hand a flow to the workers and return.

    The workers at FLOWQ_BROKER_URL run it node by node and save the store after each, so that any of them may die and
    this machine may be switched off. MODULE:FLOW as for `flowq run`.
    """
    settings = Settings()
    if settings.broker_url is None:
        raise Mistake("submit needs a fleet: set FLOWQ_BROKER_URL. Without one, `flowq run --local` runs it here.")
    store = parsed(values)
    node = load(target)
    limited(node, limit)
    flow = node if isinstance(node, Flow) else Flow(start=node, name=node.name)
    executor = connect(settings)
    try:
        with activated(executor), redis_in_words(executor.connections):
            run = flow.submit(store, key=key, label=label)
            state = run.status
    except ValueError as error:  # a key or label that is no UTF-8
        raise Mistake(str(error)) from error
    finally:
        executor.connections.close()
    if as_json:
        emit({"id": run.id, "state": state})
    else:
        click.echo(f"{run.id}\n{_next(run.id, key, state)}")


def _next(run_id: str, key: str | None, state: RunStatus) -> str:
    """What to do now: the run of a *key* may have been submitted before, and have ended."""
    if key is None or state not in ("succeeded", "failed", "cancelled"):
        return f"Watch it with: flowq watch {run_id}"
    ended = f"The run of this key {'was' if state == 'cancelled' else 'has'} {state}"
    on = "" if state == "succeeded" else f": flowq retry {run_id} goes on with it"
    return f"{ended}{on}. For another run, use another key."
