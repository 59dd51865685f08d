"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's folder, its name under runs/, or a .pellucid file.",
        show_default=False,
    ),
]
EngineName = Annotated[
    Optional[str],  # noqa: UP045 - typer reads it at run time
    typer.Option(
        "--engine",
        help="numpy, compiled, torch, tensorflow or jax. Default: the run's.",
        show_default=False,
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Write JSON to stdout instead of text.")
]
Data = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--data",
        help="mnist, fashion-mnist, cifar10, xor; or a folder or .zip of images with "
        "one subfolder per class, or with images/ and masks/; a .csv of paths and "
        "labels, or a .npz. Default: the data of the run or recipe.",
        show_default=False,
    ),
]
Calibration = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--calibration",
        metavar="FOLDER|DATASET",
        help="Images that int8 formats are calibrated on: a folder with pictures in or "
        "below it, a .npy of images, or what --data takes elsewhere.",
        show_default=False,
    ),
]
SkipBroken = Annotated[
    bool,
    typer.Option(
        "--skip-broken", help="Skip images that cannot be read, and list them."
    ),
]
Layers = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(
        "--layers",
        metavar="FILE",
        help="Python file with layers and losses of your own; it is run.",
        show_default=False,
    ),
]
Picture = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--picture", help="File for the picture (PNG).", show_default=False),
]
