"""`pellucid predict`: classify image files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table

if TYPE_CHECKING:
    from pellucid.cli.pictures import Pixels
    from pellucid.model import Model

_AT_ONCE = 256  # images per batch


def predict(
    run: options.Run,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Image files, or folders of them; - for one image on stdin.",
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
    json: options.Json = False,
) -> None:
    """Classify images.

    Images are converted to the size and colour that the network was trained on. MNIST
    digits are light on dark and centered by mass: use --digit for a digit you drew. A
    regression prints its values; a network that predicts a class for each pixel, the
    share of each class.

    An image that cannot be read is reported on stderr and the others are still
    classified; the exit code is then 2.

    \b
    [bold]Examples[/bold]
    pellucid predict mnist-torch seven.png --digit
    pellucid predict runs/photos cat.jpg dog.jpg --top 1
    pellucid predict runs/photos new_pictures/ --json
    curl -s https://example.org/cat.jpg | pellucid predict photos - --json
    """
    from pellucid.cli.open_run import open_run
    from pellucid.cli.pictures import list_pictures, read_pictures

    names = list_pictures(images)
    model = open_run(run, engine).model
    found: list[dict[str, Any]] = []
    broken: dict[str, str] = {}
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        pictures, wrong = read_pictures(model, part, is_digit=digit)
        broken.update(wrong)
        for reason in wrong.values():
            say(f"error: {reason}")
        if pictures:
            found += _predictions(model, pictures, top)
    if json:
        errors = [{"image": image, "error": text} for image, text in broken.items()]
        emit({"run": run, "predictions": found, "errors": errors})
    elif found:
        _show(model, found)
    if broken:
        raise typer.Exit(2)


def _predictions(
    model: Model, pictures: list[tuple[str, Pixels]], top: int
) -> list[dict[str, Any]]:
    """Return a model's predictions for images."""
    import numpy as np

    from pellucid.cli.prediction import prediction

    output = model.predict(np.stack([pixels for _, pixels in pictures]))
    return [
        {"image": image, **prediction(model, values, top=top)}
        for (image, _), values in zip(pictures, output, strict=True)
    ]


def _show(model: Model, found: list[dict[str, Any]]) -> None:
    from pellucid.cli.prediction import prediction_columns, prediction_rows

    columns = prediction_columns(model)
    rows = [
        (entry["image"] if rank == 0 else "", *row)
        for entry in found
        for rank, row in enumerate(prediction_rows(model, entry))
    ]
    answer(table(("image", *columns), rows, numbers=columns[1:]))
