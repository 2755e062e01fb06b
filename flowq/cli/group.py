"""The group of flowq's commands: exit statuses, errors, and options that several commands share. Defines no command.

Exit status: 0 success, 1 the work failed, 2 wrong usage or no Redis, 130 Ctrl-C.
"""

from __future__ import annotations

import gc
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from difflib import get_close_matches
from importlib import import_module
from typing import Any, TextIO, TypeVar

import click
from pydantic import ValidationError

from flowq.errors import FlowqError
from flowq.settings import Settings, without_passwords

FAILED = 1
INTERRUPTED = 130
SECRET = ("_key", "_password")

Command = TypeVar("Command", bound=Callable[..., Any])


class Mistake(click.ClickException):
    """An error that the user can correct: printed as one sentence, without a traceback."""

    exit_code = 2


class Commands(click.Group):
    """A group whose commands are imported when they are used, and may raise flowq's own errors.

    Args:
        sections: for each heading of the help, its commands and the module of ``flowq.cli`` that defines each.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Mapping[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, in the order of the help."""
        return [name for commands in self.sections.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name; None if there is none."""
        for commands in self.sections.values():
            if cmd_name in commands:
                name = f"flowq.cli.{commands[cmd_name]}"
                with nullcontext() if name in sys.modules else lasting_imports():
                    command: click.Command = getattr(import_module(name), cmd_name)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section."""
        widest = max(len(name) for name in self.list_commands(ctx))
        for title, names in self.sections.items():
            with formatter.section(title):
                found = [(name, self.get_command(ctx, name)) for name in names]
                room = formatter.width - widest - 6
                rows = [(name.ljust(widest), one.get_short_help_str(room)) for name, one in found if one]
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As in click, but the error for an unknown name suggests the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            if near:
                raise click.UsageError(f"No such command {args[0]!r}. Did you mean {near[0]!r}?", ctx) from error
            raise

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click does it, over streams that take any text; over none at all where they were closed (``>&-``)."""
        sys.stdout = _taking_any_text(sys.stdout)
        sys.stderr = _taking_any_text(sys.stderr)
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # not where nobody reads on, as with `| head`: there click ends without a word
            _give_up_output()
            where = "the output" if error.filename is None else error.filename
            click.echo(f"Error: {where}: {error.strerror or error}", err=True)
            sys.exit(Mistake.exit_code)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; print flowq's own errors as sentences."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # what cannot be written is an error now, and not as the process ends
        except FlowqError as error:
            raise Mistake(str(error)) from error
        except ValidationError as error:
            if error.title != Settings.__name__:
                raise
            raise Mistake(settings_mistake(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            sys.exit(INTERRUPTED)


@contextmanager
def lasting_imports() -> Iterator[None]:
    """Leaves what is imported in the block out of collections of garbage: it stays, to the end of the process."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _give_up_output() -> None:
    """Let go what could not be written: Python would try it once more as it exits."""
    with suppress(OSError):  # a test's output has no descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _taking_any_text(stream: TextIO | None) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors="backslashreplace")
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a name that is no UTF-8, a terminal that knows no "…"
    return stream


def settings_mistake(error: ValidationError) -> str:
    """What is wrong with the settings, by environment variable."""
    wrong = []
    for one in error.errors():
        name = str(one["loc"][0])
        given = "" if name.endswith(SECRET) else f" is {one['input']!r}"
        wrong.append(f"FLOWQ_{name.upper()}{given}: {one['msg'].removeprefix('Value error, ')}")
    return without_passwords("; ".join(wrong))


def json_option(command: Command) -> Command:
    """Adds ``--json``; the command gets ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def imports_option(what: str) -> Callable[[Command], Command]:
    """Adds ``--import MODULE``, repeatable, with commas as in FLOWQ_IMPORTS; the command gets ``imports``.

    Args:
        what: what such a module defines, for the help.
    """
    words = f"Module with {what}; repeatable, or several with commas."
    return click.option("--import", "imports", multiple=True, metavar="MODULE", callback=_split, help=words)


def queues_option(whose: str) -> Callable[[Command], Command]:
    """Adds ``-Q`` as Celery's workers have it, repeatable, and ``--queue``; the command gets ``queues``.

    Args:
        whose: which workers consume them, for the help.
    """
    words = f"Queue that {whose} (default: FLOWQ_QUEUE); repeatable, or several with commas."
    return click.option("-Q", "--queue", "queues", multiple=True, callback=_split, help=words)


def _split(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for one in given for name in one.split(",") if name.strip())


def emit(value: Any) -> None:
    """Print *value* as one JSON document; values that JSON does not know are written as text."""
    click.echo(json.dumps(value, indent=2, default=str))


def emit_line(value: Any) -> None:
    """Print *value* as one line of JSON."""
    click.echo(json.dumps(value, default=str))
