"""This file is `pellucid import`: another program's model as one of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit


def import_(
    file: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Option("--as", help="The .pellucid file to write. Else by FILE's name."),
    ] = None,
    format: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--format", help="The file's format. Else by its name."),
    ] = None,
    json: options.Json = False,
) -> None:
    """Read another program's model and keep it as a .pellucid file.

    What cannot be represented exactly is refused, with the operator's name and place.

    \b
    [bold]Examples[/bold]
    pellucid import resnet.onnx
    pellucid import theirs.onnx --as ours.pellucid
    """
    from pellucid.exchange import read

    model = read(file, engine="numpy", format=format)
    target = Path(name or file.stem)
    if target.suffix != ".pellucid":
        target = target.with_name(f"{target.name}.pellucid")
    model.save(target)
    if json:
        network = model.network
        document = {
            "model": str(target),
            "network": network.name,
            "parameters": network.parameter_count,
            "input_shape": list(network.input_shape),
            "output_shape": list(network.output_shape),
            "classes": list(model.classes),
        }
        emit(document)
        return
    answer(str(model.network))
    answer(f"\nmodel: {target}")
