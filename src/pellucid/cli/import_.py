"""`pellucid import`: read a model from another format and save it as a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import import_options, options
from pellucid.cli.output import answer, emit, table

if TYPE_CHECKING:
    from pellucid.model import Model


def import_(
    file: Annotated[Path, typer.Argument(help="The file or folder to read.")],
    name: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--as",
            metavar="RUN",
            help="A name under runs/, a folder, or a .pellucid file. "
            "Default: FILE's name.",
        ),
    ] = None,
    format: import_options.Format = None,
    input_size: import_options.InputSize = None,
    constant: import_options.Constants = None,
    network: import_options.Network = None,
    preset: import_options.Preset = None,
    scale: import_options.Scale = None,
    mean: import_options.Mean = None,
    std: import_options.Std = None,
    channel_order: import_options.ChannelOrder = None,
    dequantize: import_options.Dequantize = False,
    json: options.Json = False,
) -> None:
    """Import a model from another format and save it as a run.

    A model that cannot be represented exactly is refused, with the operator's name and
    position. Where the file does not say how pixels become input, pictures are refused
    until --preset, or --scale, --mean and --std say it.

    \b
    [bold]Examples[/bold]
    pellucid import resnet.onnx
    pellucid import theirs.keras --as ours
    pellucid import theirs.onnx --as ours.pellucid
    pellucid import resnet18.onnx --preset imagenet
    pellucid import theirs.h5 --scale 1/127.5 --mean 1
    pellucid import checkpoint.pth --network resnet20
    pellucid import theirs.int8.tflite --dequantize
    pellucid import silero_vad.onnx --constant sr=16000
    """
    from pellucid.exchange import match_weights, read
    from pellucid.network import load_network

    how = import_options.parse_preprocessing(preset, scale, mean, std, channel_order)
    shape = import_options.parse_input_size(input_size)
    belongs_to = None if network is None else load_network(network)
    model = read(
        file,
        engine="numpy",
        format=format,
        input_shape=shape,
        constants=import_options.parse_constants(constant),
        network=belongs_to,
        dequantize=dequantize,
        **how,
    )
    matches = () if belongs_to is None else match_weights(file, belongs_to)
    import_options.say_preprocessing(model)
    target = _save_run(model, file, name)
    if json:
        made = model.network
        document: dict[str, Any] = {
            "run": str(target),
            "network": made.name,
            "parameters": made.parameter_count,
            "input_shape": list(made.input_shape),
            "output_shape": list(made.output_shape),
            "classes": list(model.classes),
            "preprocessing": _shown(model),
        }
        if matches:
            document["matches"] = {match.weight: match.key for match in matches}
        emit(document)
        return
    answer(str(model.network))
    if matches:
        cells = [(match.weight, match.key, str(match.shape)) for match in matches]
        answer("")
        answer(table(("weight", "in the file", "shape there"), cells))
    answer(f"\nrun: {target}")


def _shown(model: Model) -> dict[str, Any] | None:
    how = model.preprocessing
    return how.to_json() if how.is_known else None


def _save_run(model: Model, file: Path, name: str | None) -> Path:
    """Save the model under the given name; return its path."""
    from pellucid.runs import RUNS, RunFolder, keep_imported, new_name

    if name is not None and name.endswith(".pellucid"):
        model.save(name)
        return Path(name)
    if name is None:
        path = new_name(file.name.partition(".")[0] or "imported")
    else:
        # a bare name is one under runs/, what has a folder in it is a path
        path = RUNS / name if Path(name).name == name else Path(name)
    try:
        keep_imported(model.file(), path, origin=file.name)
    finally:
        RunFolder(path).discard()
    return path
