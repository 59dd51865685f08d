"""`pellucid benchmark`: options, tables and saved reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table
from pellucid.machine import describe_machine

if TYPE_CHECKING:
    from pellucid.benchmark import Report

Text = Optional[str]  # noqa: UP045 - typer reads these at run time
Integer = Optional[int]  # noqa: UP045
Folder = Optional[Path]  # noqa: UP045


def benchmark(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="train-step, inference, networks, start-up, scaling, fit, busy or "
            "tax.",
        ),
    ] = "train-step",
    network: Annotated[
        Text,
        typer.Option(
            "--network",
            help="A zoo network, mnist-torch-leaky, or a .py or .json file. "
            "Default: the benchmark's own cases.",
            show_default=False,
        ),
    ] = None,
    batch: Annotated[
        Text,
        typer.Option(
            "--batch",
            help="Batch sizes, as in 32,64.",
            metavar="N,…",
            show_default=False,
        ),
    ] = None,
    contenders: Annotated[
        Text,
        typer.Option(
            "--peers",
            help="Frameworks (torch,tensorflow,jax; onnxruntime,openvino,litert), or "
            "full names from the table. Default: all that are installed.",
            metavar="NAME,…",
            show_default=False,
        ),
    ] = None,
    trained: Annotated[
        Text,
        typer.Option(
            "--trained",
            help="Epochs the weights are trained for beforehand, as in 0,1,5.",
            metavar="N,…",
            show_default=False,
        ),
    ] = None,
    rounds: Annotated[
        Integer,
        typer.Option(
            "--rounds", help="Rounds per contender.", min=1, show_default=False
        ),
    ] = None,
    epochs: Annotated[
        Integer,
        typer.Option(
            "--epochs", help="Epochs of the fit benchmark.", min=1, show_default=False
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of weights and batches.", min=0)
    ] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="One case, few rounds.")
    ] = False,
    out: Annotated[
        Folder,
        typer.Option(
            "--out",
            help="Save table, JSON and plot in this folder.",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Time pellucid and the installed frameworks.

    Each contender runs in its own process, in its idiomatic form. They take turns, so
    only one computes at a time. Times are medians with quartiles. Rounds in which
    other programs used the CPU are detected and reported.

    \b
    [bold]Examples[/bold]
    pellucid benchmark --quick
    pellucid benchmark train-step --out results/
    pellucid benchmark train-step --network lenet5 --batch 32,64 --peers torch
    pellucid benchmark inference --peers onnxruntime,openvino
    pellucid benchmark networks --network resnet18 --batch 1,32
    pellucid benchmark fit --epochs 5 --json
    pellucid benchmark tax --peers torch,jax
    """
    from pellucid.benchmark import Setting
    from pellucid.benchmark import benchmark as run

    setting = Setting(
        network=network,
        batch_sizes=_parse_integers("batch", batch, least=1),
        peers=None if contenders is None else tuple(_split(contenders)),
        rounds=rounds,
        trained=_parse_integers("trained", trained, least=0),
        is_quick=quick,
        seed=seed,
        epochs=epochs,
        say=say,
        machine=describe_machine(),
    )
    report = run(what, setting)
    if out is not None:
        save_report(report, out)
    if json:
        emit(report.to_json())
    else:
        answer(format_report(report))


def format_report(report: Report) -> str:
    """Return a report as tables with notes."""
    from pellucid.benchmark import make_notes, make_tables

    parts = []
    for sheet in make_tables(report):
        drawn = table(sheet.headers, sheet.rows, numbers=sheet.numbers)
        parts.append(f"{sheet.title}\n\n{drawn}\n")
    return "\n".join([*parts, *make_notes(report)])


def save_report(report: Report, folder: Path) -> None:
    """Write a report's table, JSON and plot to a folder."""
    import json

    from pellucid.benchmark import draw_png
    from pellucid.errors import RunError
    from pellucid.storage import write_together

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"benchmark: --out must be a folder; got '{folder}': {error.strerror}."
        ) from error
    document = json.dumps(report.to_json(), indent=1, ensure_ascii=False)
    contents = {
        f"{report.benchmark}.json": f"{document}\n".encode(),
        f"{report.benchmark}.txt": f"{format_report(report)}\n".encode(),
        f"{report.benchmark}.png": draw_png(report),
    }
    write_together(folder, contents)
    for name in contents:
        say(f"wrote {folder / name}")


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _parse_integers(
    option: str, text: str | None, *, least: int
) -> tuple[int, ...] | None:
    """Parse integers separated by commas."""
    if text is None:
        return None
    items = _split(text)
    if not items or not all(item.isdecimal() and int(item) >= least for item in items):
        raise typer.BadParameter(
            f"must be whole numbers of at least {least}; got {text!r}.",
            param_hint=f"--{option}",
        )
    return tuple(int(item) for item in items)
