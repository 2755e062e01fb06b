"""``flowq init``: writes the files of a small program that runs at once."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import click

from flowq.cli.group import Mistake, emit, json_option

FILES = {"flow.py.txt": "{module}.py", "test_flow.py.txt": "test_{module}.py", "readme.md.txt": "README.md"}
FILES["pyproject.toml.txt"] = "pyproject.toml"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path("."))
@click.option("--name", help="Name of the module (default: pages).")
@json_option
def init(folder: Path, name: str | None, as_json: bool) -> None:
    """Write a small program to begin with.

    It is written to FOLDER (default: here), without overwriting any file: a module with a flow, its test, a README and
    a pyproject.toml.
    """
    module = name or "pages"
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", module):
        raise Mistake(f"{module!r} is no name of a module: small letters, digits and underscores")
    targets = {source: folder / target.format(module=module) for source, target in FILES.items()}
    there = [str(target) for target in targets.values() if target.exists()]
    if there:
        raise Mistake(f"{', '.join(there)} exists: nothing was written. Give another folder, or another --name.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in targets.items():
            text = (resources.files("flowq.cli") / "template" / source).read_text(encoding="utf-8")
            target.write_text(text.replace("{module}", module), encoding="utf-8")
    except OSError as error:
        raise Mistake(f"{folder} cannot be written: {error.strerror}") from error
    if as_json:
        emit({"written": [str(target) for target in targets.values()]})
        return
    for target in targets.values():
        click.echo(f"wrote {target}")
    into = "" if folder == Path(".") else f"cd {folder}, then "
    click.echo(f"\nNow: {into}flowq run {module}:flow --local")
