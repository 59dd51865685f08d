"""`pellucid convert`: convert a model file and verify the result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import import_options, options
from pellucid.cli.export import make_noise, print_report, unverified, verify_file
from pellucid.cli.output import answer, emit, say, table

if TYPE_CHECKING:
    from pellucid.exchange.formats import Format

_IMAGES = 32


def convert(
    source: Annotated[Path, typer.Argument(help="The file to read.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Also compare every node.")
    ] = False,
    format: import_options.Format = None,
    input_size: import_options.InputSize = None,
    constant: import_options.Constants = None,
    network: import_options.Network = None,
    dequantize: import_options.Dequantize = False,
    to: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Option("--to", help="The format to write. Default: from TARGET's name."),
    ] = None,
    calibration: options.Calibration = None,
    preset: import_options.Preset = None,
    scale: import_options.Scale = None,
    mean: import_options.Mean = None,
    std: import_options.Std = None,
    channel_order: import_options.ChannelOrder = None,
    json: options.Json = False,
) -> None:
    """Convert a model file to another format and verify both files.

    Source and target each run in their own runtime on the same images; their outputs
    are compared with those of the imported model. The target is written only if its
    outputs agree.

    \b
    [bold]Examples[/bold]
    pellucid convert model.onnx model.c
    pellucid convert model.onnx model.safetensors --nodes
    pellucid convert model.onnx model.int8.tflite --calibration photos/ --preset unit
    pellucid convert checkpoint.pth model.onnx --network resnet20
    pellucid convert theirs.int8.tflite model.c --dequantize
    """
    from pellucid.errors import ExchangeError
    from pellucid.exchange import formats, read
    from pellucid.network import load_network

    entry = formats.find_to_write(target, to)
    given = formats.find_to_read(source, format)
    if calibration is not None and not entry.is_calibrated:
        raise ExchangeError(
            f"export: --calibration must go with an int8 format; got {entry.name}."
        )
    if target.exists() and source.exists() and target.samefile(source):
        raise ExchangeError(
            "convert: TARGET must be another file than SOURCE, which stays as it is; "
            f"got '{target}' for both."
        )
    if nodes and not entry.is_read:
        raise ExchangeError(
            "convert: --nodes must go with a format that can be read, too; "
            f"got {entry.name!r}, which is only written."
        )
    how = import_options.parse_preprocessing(preset, scale, mean, std, channel_order)
    shape = import_options.parse_input_size(input_size)
    model = read(
        source,
        engine="numpy",
        format=given.name,
        input_shape=shape,
        constants=import_options.parse_constants(constant),
        network=None if network is None else load_network(network),
        dequantize=dequantize,
        **how,
    )
    if entry.is_calibrated and calibration is None:
        check_ranges(model, entry)
    images = sample_images(model)
    ranges = read_calibration(model, calibration) if calibration is not None else None
    rows = [
        _verify_source(model, source, images, given.name),
        _write(model, target, entry, images, ranges),
    ]
    compared = _compare_nodes(model, target, images) if nodes else None
    if json:
        emit({"files": rows, "nodes": compared})
        return
    print_report(rows)
    if compared is not None:
        cells = [(name, f"{difference:.1e}") for name, difference in compared.items()]
        answer("")
        headers = ("node", "largest difference")
        answer(table(headers, cells, numbers=headers[1:]))


def check_ranges(model: Any, entry: Format) -> None:
    """Refuse int8 without images, but for a model that was prepared for it.

    Raises
    ------
    ExchangeError
        If the format does not hold the network, or ranges are unknown.
    """
    from pellucid.errors import ExchangeError
    from pellucid.exchange.api import check_network
    from pellucid.exchange.int8.aware import is_aware

    check_network(model.file(), entry)
    if not is_aware(model.network):
        raise ExchangeError(
            f"export: {entry.name} must be calibrated on images as the network will "
            "see them; got none. Name them: --calibration FOLDER|DATASET."
        )


def read_calibration(model: Any, source: str) -> Any:
    """Return the images that ``--calibration`` names."""
    from pellucid.recipes.calibration import calibration_images

    return calibration_images(source, model)


def _verify_source(model: Any, source: Path, images: Any, name: str) -> dict[str, Any]:
    """Return the source's verification; a file may be one that its runtime refuses."""
    from pellucid.errors import ExchangeError

    try:
        return verify_file(model, source, images, name)
    except ExchangeError as error:
        return unverified(source, name, error)


def _write(
    model: Any, target: Path, entry: Format, images: Any, ranges: Any
) -> dict[str, Any]:
    """Write the target once it is verified; where nothing can run it, as it is."""
    from pellucid.errors import MissingExtraError
    from pellucid.exchange import write
    from pellucid.exchange.conversion import write_verified

    try:
        return write_verified(
            model, target, entry, images, calibration=ranges
        ).to_json()
    except MissingExtraError as error:
        write(model, target, format=entry.name, calibration=ranges)
        return unverified(target, entry.name, error)


def sample_images(model: Any) -> Any:
    """Return MNIST images if their shape fits and pixels have a meaning, else noise."""
    import numpy as np

    from pellucid.data import load

    network = model.network
    is_single, shape = len(network.inputs) == 1, network.input_shape
    if is_single and shape == (28, 28, 1) and model.preprocessing.is_known:
        return np.asarray(load("mnist")[1].images[:_IMAGES])
    what = f"images of shape {shape}" if is_single else "inputs"
    say(f"no {what} available: comparing files on noise")
    return make_noise(network, _IMAGES)


def _compare_nodes(model: Any, target: Path, images: Any) -> dict[str, float]:
    """Return the largest difference at each node that both models have."""
    import numpy as np

    from pellucid.exchange import read

    ours = model.activations(images)
    theirs = read(target, engine="numpy").activations(images)
    return {
        name: float(np.max(np.abs(ours[name] - theirs[name])))
        for name in ours
        if name in theirs and ours[name].shape == theirs[name].shape
    }
