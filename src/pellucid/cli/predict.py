"""`pellucid predict`: classify image files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table
from pellucid.errors import DataError

if TYPE_CHECKING:
    from pellucid.model import Model

_AT_ONCE = 256  # images per batch


def predict(
    run: options.Run,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Image files, or folders of them; - for one image on stdin. Of "
            "several inputs NAME=FILE for each, or a .npz with arrays named so.",
            show_default=False,
        ),
    ],
    top: Annotated[
        int, typer.Option("--top", help="Classes to show for each image.", min=1)
    ] = 3,
    digit: Annotated[
        bool,
        typer.Option(
            "--digit",
            help="Center and scale a drawn or photographed digit like MNIST.",
        ),
    ] = False,
    engine: options.EngineName = None,
    layers: options.Layers = None,
    json: options.Json = False,
) -> None:
    """Classify images.

    Images are converted to the size and colour that the network was trained on. MNIST
    digits are light on dark and centered by mass: use --digit for a digit you drew. A
    regression prints its values; a network that predicts a class for each pixel, the
    share of each class; one with several outputs, each of them. FILE is an image, or
    a .npy with one example or several.

    An image that cannot be read is reported on stderr and the others are still
    classified; the exit code is then 2.

    \b
    [bold]Examples[/bold]
    pellucid predict mnist-torch seven.png --digit
    pellucid predict runs/photos cat.jpg dog.jpg --top 1
    pellucid predict runs/photos new_pictures/ --json
    pellucid predict siamese left=one.png right=other.png
    pellucid predict siamese pairs.npz --json
    curl -s https://example.org/cat.jpg | pellucid predict photos - --json
    """
    import numpy as np

    from pellucid.cli.examples import are_arrays, read_examples
    from pellucid.cli.open_run import open_run
    from pellucid.cli.own_code import load_own_code
    from pellucid.cli.pictures import list_pictures, read_pictures

    load_own_code(layers)
    model = open_run(run, engine).model
    found: list[dict[str, Any]] = []
    broken: dict[str, str] = {}
    has_arrays = are_arrays(model, images)
    if has_arrays:
        if digit:
            raise DataError(
                "picture: --digit must go with pictures of digits; got arrays, or a "
                "network with several inputs."
            )
        given = read_examples(model, images)
        found += _predictions(model, given.names, given.inputs, top)
    names = [] if has_arrays else list_pictures(images)
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        pictures, wrong = read_pictures(model, part, is_digit=digit)
        broken.update(wrong)
        for reason in wrong.values():
            say(f"error: {reason}")
        if pictures:
            called, arrays = zip(*pictures, strict=True)
            inputs = {model.network.inputs[0]: np.stack(arrays)}
            found += _predictions(model, called, inputs, top)
    if json:
        errors = [{"image": image, "error": text} for image, text in broken.items()]
        emit({"run": run, "predictions": found, "errors": errors})
    elif found:
        _show(model, found)
    if broken:
        raise typer.Exit(2)


def _predictions(
    model: Model, called: Sequence[str], inputs: dict[str, Any], top: int
) -> list[dict[str, Any]]:
    """Return a model's predictions for examples, given by input."""
    from pellucid.cli.prediction import Output, prediction
    from pellucid.network.ports import has_several

    names = model.network.outputs
    if has_several(model.network):
        by_name = model.predict(inputs)
    else:
        by_name = {names[0]: model.predict(next(iter(inputs.values())))}
    found = []
    for k, image in enumerate(called):
        shown = {
            name: prediction(Output.of(model, name), by_name[name][k], top=top)
            for name in names
        }
        rest = shown[names[0]] if len(names) == 1 else {"outputs": shown}
        found.append({"image": image, **rest})
    return found


def _show(model: Model, found: list[dict[str, Any]]) -> None:
    """Print a table; of several outputs one for each."""
    from pellucid.cli.prediction import Output, prediction_columns, prediction_rows

    names = model.network.outputs
    for k, name in enumerate(names):
        described = Output.of(model, name)
        columns = prediction_columns(described)
        rows = [
            (entry["image"] if rank == 0 else "", *row)
            for entry in found
            for rank, row in enumerate(
                prediction_rows(described, entry.get("outputs", {}).get(name, entry))
            )
        ]
        if len(names) > 1:
            answer(f"{chr(10) if k else ''}output {name}")
        answer(table(("image", *columns), rows, numbers=columns[1:]))
