"""This file is the table of commands; each one's file is read when it is called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

_HELP = {"help_option_names": ["--help", "-h"]}


class CommandEntry(NamedTuple):
    """A command: the file in `pellucid.cli`, the function in it, and its one line."""

    module: str
    function: str
    help: str
    panel: str


_TRAIN, _INSPECT, _EXCHANGE, _LISTS = (
    "Train and use",
    "Look into it",
    "In and out",
    "What is here",
)

#: A command is there when its file is; `pellucid --help` reads none of the files.
COMMANDS: dict[str, CommandEntry] = {
    "train": CommandEntry("train", "train", "Train a network and test it.", _TRAIN),
    "evaluate": CommandEntry(
        "evaluate", "evaluate", "Measure a trained network on test data.", _TRAIN
    ),
    "predict": CommandEntry("predict", "predict", "Say what pictures show.", _TRAIN),
    "serve": CommandEntry("serve", "serve", "Answer over HTTP.", _TRAIN),
    "studio": CommandEntry("studio", "studio", "Open the studio in a browser.", _TRAIN),
    "explain": CommandEntry(
        "explain", "explain", "Show the arithmetic behind one number.", _INSPECT
    ),
    "verify": CommandEntry(
        "verify", "verify", "Prove that derivatives are right.", _INSPECT
    ),
    "compare": CommandEntry(
        "compare", "compare", "Measure engines side by side.", _INSPECT
    ),
    "benchmark": CommandEntry(
        "benchmark", "benchmark", "Time pellucid and others.", _INSPECT
    ),
    "export": CommandEntry(
        "export", "export", "Write a model for another program.", _EXCHANGE
    ),
    "import": CommandEntry(
        "import_", "import_", "Read another program's model.", _EXCHANGE
    ),
    "convert": CommandEntry(
        "convert", "convert", "Turn one model file into another.", _EXCHANGE
    ),
    "code": CommandEntry(
        "code", "code", "Write a network as a stand-alone script.", _EXCHANGE
    ),
    "data": CommandEntry("data", "data", "List the datasets that have a name.", _LISTS),
    "engines": CommandEntry(
        "engines", "engines", "List the engines and the machine.", _LISTS
    ),
}


def is_available(entry: CommandEntry) -> bool:
    """Return whether the command's file exists, without reading it."""
    return importlib.util.find_spec(f"pellucid.cli.{entry.module}") is not None


class LazyGroup(TyperGroup):
    """A group that knows its commands by the table alone."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands that are there, as the table has them."""
        del ctx
        return [name for name, entry in COMMANDS.items() if is_available(entry)]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return what the list of commands shows: name, line, panel."""
        entry = COMMANDS.get(cmd_name)
        if entry is None or not is_available(entry):
            return None
        return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command itself, read from its file."""
        stubs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        self.commands = {k: v for k, v in stubs.items() if v}  # for "Did you mean"
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run; a closed pipe is `main`'s to handle, not typer's."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipeError from error


class ClosedPipeError(BrokenPipeError):
    """A BrokenPipeError without a number, which typer lets through."""


def load(name: str) -> Any:
    """Read a command's file and return the command."""
    entry = COMMANDS[name]
    module = importlib.import_module(f"pellucid.cli.{entry.module}")
    one = typer.Typer(add_completion=False, rich_markup_mode="rich")
    function = getattr(module, entry.function)
    one.command(name, help=format_help(function), context_settings=_HELP)(function)
    return typer.main.get_command(one)


def format_help(function: Any) -> str:
    """Return a command's docstring with its lines joined, paragraph by paragraph.

    A paragraph that begins with ``\\b``, as the examples do, keeps its lines.
    """
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    kept = (p if p.startswith("\b") else p.replace("\n", " ") for p in paragraphs)
    return "\n\n".join(kept)


_ABOUT = (
    "Convolutional neural networks, clear enough to see through.\n\n"
    "Begin with [bold]pellucid train mnist-torch[/bold]: it trains on 60,000 "
    "handwritten digits that come with pellucid, and tests on 10,000 others. Every "
    "command has a --help of its own, with examples."
)

app = typer.Typer(
    cls=LazyGroup,
    help=_ABOUT,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=_HELP,
)


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from pellucid import __version__

        typer.echo(f"pellucid {__version__}")
        raise typer.Exit


@app.callback(help=_ABOUT)
def pellucid(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print the version and exit.",
        ),
    ] = False,
) -> None:
    """Run one of the commands."""
    del version


def command() -> Any:
    """Return the whole command line as one command."""
    return typer.main.get_command(app)
