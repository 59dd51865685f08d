"""`pellucid convert`: convert a model file and verify the result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pellucid.cli import options
from pellucid.cli.export import print_report, verify_file
from pellucid.cli.output import answer, emit, say, table

_IMAGES = 32


def convert(
    source: Annotated[Path, typer.Argument(help="The file to read.")],
    target: Annotated[Path, typer.Argument(help="The file to write.")],
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Also compare every node.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Convert a model file to another format and verify both files.

    Source and target each run in their own runtime on the same images; their outputs
    are compared with those of the imported model.

    \b
    [bold]Examples[/bold]
    pellucid convert model.onnx model.c
    pellucid convert model.onnx model.safetensors --nodes
    """
    from pellucid.exchange import formats, read, write

    entry = formats.find_by_path(target)
    if formats.find_by_path(source).is_read is False:
        read(source)  # raises, with the reason
    model = read(source, engine="numpy")
    images = sample_images(model)
    write(model, target, calibration=images if entry.is_calibrated else None)
    rows = [
        verify_file(model, source, images, formats.find_by_path(source).name),
        verify_file(model, target, images, entry.name),
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


def sample_images(model: Any) -> Any:
    """Return MNIST images if their shape fits, else noise."""
    import numpy as np

    from pellucid.data import load

    shape = model.network.input_shape
    if shape == (28, 28, 1):
        return np.asarray(load("mnist")[1].images[:_IMAGES])
    say(f"no images of shape {shape} available: comparing files on noise")
    return np.random.default_rng(0).normal(size=(_IMAGES, *shape)).astype(np.float32)


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
