"""``flowq graph``: a flow as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from flowq.cli.group import Mistake, emit, json_option
from flowq.cli.loading import load
from flowq.core.walks.flow import Flow


@click.command()
@click.argument("target", metavar="MODULE:FLOW")
@click.option("-o", "out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@json_option
def graph(target: str, out: Path | None, as_json: bool) -> None:
    """Draw a flow (Mermaid).

    GitHub, GitLab and https://mermaid.live show the printed text as a picture. Problems in the flow
    are reported on stderr.
    """
    node = load(target)
    flow = node if isinstance(node, Flow) else Flow(start=node)
    for problem in flow.check():
        click.echo(f"warning: {problem}", err=True)
    if as_json:
        nodes = flow.spec().nodes
        emit(
            {
                "nodes": [{"id": at, "class": one.node} for at, one in enumerate(nodes)],
                "edges": [
                    {"from": at, "action": action, "to": to}
                    for at, one in enumerate(nodes)
                    for action, to in one.edges.items()
                ],
            }
        )
    elif out is None:
        click.echo(flow.mermaid(), nl=False)
    else:
        try:
            out.write_text(flow.mermaid(), encoding="utf-8")
        except OSError as error:
            raise Mistake(f"{out} cannot be written: {error.strerror}") from error
        click.echo(f"Wrote {out}")
