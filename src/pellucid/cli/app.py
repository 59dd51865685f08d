"""Table of commands; a command's module is imported only when it is called."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

_HELP = {"help_option_names": ["--help", "-h"]}


class CommandEntry(NamedTuple):
    """A command: its module in `pellucid.cli`, its function, its summary."""

    module: str
    function: str
    help: str
    panel: str


_TRAIN, _INSPECT, _EXCHANGE, _LISTS = (
    "Train and predict",
    "Inspect and compare",
    "Import and export",
    "Available data and engines",
)

#: A command exists if its module does; `pellucid --help` imports none of them.
COMMANDS: dict[str, CommandEntry] = {
    "train": CommandEntry("train", "train", "Train a network and test it.", _TRAIN),
    "search": CommandEntry("search", "search", "Search for good settings.", _TRAIN),
    "evaluate": CommandEntry(
        "evaluate", "evaluate", "Evaluate a trained network on test data.", _TRAIN
    ),
    "predict": CommandEntry("predict", "predict", "Classify images.", _TRAIN),
    "serve": CommandEntry("serve", "serve", "Serve models over HTTP.", _TRAIN),
    "studio": CommandEntry("studio", "studio", "Open the studio in a browser.", _TRAIN),
    "explain": CommandEntry(
        "explain", "explain", "Show how one value is computed.", _INSPECT
    ),
    "verify": CommandEntry(
        "verify", "verify", "Check gradients and engine parity.", _INSPECT
    ),
    "compare": CommandEntry(
        "compare", "compare", "Compare engines by measurement.", _INSPECT
    ),
    "benchmark": CommandEntry(
        "benchmark", "benchmark", "Time pellucid and frameworks.", _INSPECT
    ),
    "profile": CommandEntry(
        "profile", "profile", "Show where the compiled engine's time goes.", _INSPECT
    ),
    "export": CommandEntry(
        "export", "export", "Export a model to other formats.", _EXCHANGE
    ),
    "import": CommandEntry(
        "import_", "import_", "Import a model from another format.", _EXCHANGE
    ),
    "convert": CommandEntry(
        "convert", "convert", "Convert a model file to another format.", _EXCHANGE
    ),
    "code": CommandEntry(
        "code", "code", "Write a network as a stand-alone script.", _EXCHANGE
    ),
    "runs": CommandEntry(
        "runs", "runs", "List runs, or put some side by side.", _LISTS
    ),
    "data": CommandEntry("data", "data", "List the named datasets.", _LISTS),
    "engines": CommandEntry(
        "engines", "engines", "List engines and the CPU's features.", _LISTS
    ),
    "doctor": CommandEntry(
        "doctor", "doctor", "Say what is installed, fast or slow here.", _LISTS
    ),
}


def is_available(entry: CommandEntry) -> bool:
    """Return whether the command's module exists, without importing it."""
    return importlib.util.find_spec(f"pellucid.cli.{entry.module}") is not None


class LazyGroup(TyperGroup):
    """A group whose commands are listed from the table, without imports."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the available commands, in the table's order."""
        del ctx
        return [name for name, entry in COMMANDS.items() if is_available(entry)]

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return a placeholder with name, summary and panel for the list."""
        entry = COMMANDS.get(cmd_name)
        if entry is None or not is_available(entry):
            return None
        return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import and return the command itself."""
        stubs = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        self.commands = {k: v for k, v in stubs.items() if v}  # for "Did you mean"
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(str(name)), rest

    def invoke(self, ctx: Any) -> Any:
        """Run; `main` handles a closed pipe, not typer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ClosedPipeError from error


class ClosedPipeError(BrokenPipeError):
    """A BrokenPipeError without errno, which typer does not catch."""


def load(name: str) -> Any:
    """Import a command's module and return the command."""
    entry = COMMANDS[name]
    module = importlib.import_module(f"pellucid.cli.{entry.module}")
    one = typer.Typer(add_completion=False, rich_markup_mode="rich")
    function = getattr(module, entry.function)
    one.command(name, help=format_help(function), context_settings=_HELP)(function)
    return typer.main.get_command(one)


def format_help(function: Any) -> str:
    """Return a command's docstring with its lines joined, paragraph by paragraph.

    A paragraph that begins with ``\\b`` (the examples) keeps its line breaks.
    """
    paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
    kept = (p if p.startswith("\b") else p.replace("\n", " ") for p in paragraphs)
    return "\n\n".join(kept)


_ABOUT = (
    "Convolutional neural networks, clear enough to see through.\n\n"
    "Start with [bold]pellucid train mnist-torch[/bold]: it trains on 60,000 "
    "handwritten digits that come with pellucid and tests on 10,000 others. "
    "[bold]pellucid COMMAND --help[/bold] explains a command with examples."
)

_GREETING = """\
pellucid: convolutional neural networks, clear enough to see through.

Three things to try:

  pellucid train mnist-torch             train on 60,000 handwritten digits: a minute
  pellucid explain mnist-torch test:0    its activations, and which pixels matter
  pellucid studio                        draw, inspect and train in a browser

`pellucid doctor` says what is fast or slow on this machine, `pellucid --help` lists all
commands, `pellucid COMMAND --help` explains one with examples."""

app = typer.Typer(
    cls=LazyGroup,
    help=_ABOUT,
    add_completion=False,
    invoke_without_command=True,
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
    context: typer.Context,
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
    """Run one of the commands; without one, say what to try."""
    del version
    if context.invoked_subcommand is None:
        typer.echo(_GREETING)


def command() -> Any:
    """Return the command line as one click command."""
    return typer.main.get_command(app)
