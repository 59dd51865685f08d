"""This file is `pellucid predict`: pictures in, classes out."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, percent, table


def predict(
    run: options.Run,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE",
            help="Picture files; - for one picture on stdin.",
            show_default=False,
        ),
    ],
    top: Annotated[
        int, typer.Option("--top", help="Classes to show for each picture.", min=1)
    ] = 3,
    digit: Annotated[
        bool,
        typer.Option(
            "--digit",
            help="Centre a drawn or photographed digit as MNIST's authors did.",
        ),
    ] = False,
    engine: options.EngineName = None,
    json: options.Json = False,
) -> None:
    """Say what pictures show.

    Pictures are brought to the size and colour that the network was trained on. MNIST
    is light on dark and centred by mass: give --digit for a digit that you drew.

    \b
    [bold]Examples[/bold]
    pellucid predict mnist-torch seven.png --digit
    pellucid predict runs/photos cat.jpg dog.jpg --top 1
    curl -s https://example.org/cat.jpg | pellucid predict photos - --json
    """
    from pellucid.cli.models import open_run
    from pellucid.cli.pictures import read_pictures
    from pellucid.explain import probabilities

    model = open_run(run, engine).model
    output = model.predict(read_pictures(model, images, is_digit=digit))
    shares = probabilities(model, output)
    found = [
        {
            "image": image,
            "top": _top(model.classes, row, top),
            "output": values.tolist(),
        }
        for image, row, values in zip(images, shares, output, strict=True)
    ]
    if json:
        emit({"run": run, "predictions": found})
        return
    rows = [
        (
            entry["image"] if rank == 0 else "",
            choice["class"],
            percent(choice["probability"]),
        )
        for entry in found
        for rank, choice in enumerate(entry["top"])
    ]
    answer(table(("image", "class", "probability"), rows, numbers=("probability",)))


def _top(classes: tuple[str, ...], shares: Any, count: int) -> list[dict[str, Any]]:
    order = (-shares).argsort(kind="stable")[:count]
    return [
        {
            "class": classes[k] if classes else str(k),
            "label": int(k),
            "probability": float(shares[k]),
        }
        for k in order
    ]
