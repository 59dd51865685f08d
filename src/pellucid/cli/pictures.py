"""Read image files in the size and colour that the model was trained on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.model import Model

_MOST_BYTES = 256 * 2**20  # limit for stdin

Pixels = npt.NDArray[Any]


def read_picture(model: Model, name: str, *, is_digit: bool = False) -> Pixels:
    """Return one image in the size and colour of a model's input.

    Parameters
    ----------
    model : Model
        Size and colour come from its preprocessing, else from its input shape.
    name : str
        A file, or "-" for the bytes of one image on stdin.
    is_digit : bool
        Whether to center and scale a drawn digit like MNIST.

    Raises
    ------
    DataError
        If it is not an image, or the network does not take images.
    """
    from pellucid import data

    check_takes_pictures(model, is_digit=is_digit)
    shape = model.network.input_shape
    source = sys.stdin.buffer.read(_MOST_BYTES + 1) if name == "-" else name
    if isinstance(source, bytes) and not 0 < len(source) <= _MOST_BYTES:
        got = "more" if source else "nothing"
        raise DataError(
            f"picture: stdin must give 1 to {_MOST_BYTES} bytes; got {got}."
        )
    called = "stdin" if name == "-" else name
    if is_digit:
        return data.digit(data.picture(source, colour="grey", name=called))
    how = model.preprocessing
    return data.picture(
        source,
        size=how.size or (shape[0], shape[1]),
        colour=how.colour or ("grey" if shape[2] == 1 else "rgb"),
        name=called,
    )


def read_picture_of_shape(file: str, shape: tuple[int, ...]) -> Pixels:
    """Return a picture in the size and colour of one of several inputs.

    Raises
    ------
    DataError
        If it is no picture, or the input takes none.
    """
    from pellucid import data

    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(
            f"picture: an input of shape {shape} must come from a .npy; got {file!r}."
        )
    colour: Any = "grey" if shape[2] == 1 else "rgb"
    return data.picture(file, size=(shape[0], shape[1]), colour=colour, name=file)


def check_takes_pictures(model: Model, *, is_digit: bool) -> None:
    """Check that a model takes images, or digits.

    Raises
    ------
    DataError
        If its input is neither grey nor rgb, or it is not known how pixels become
        input; with ``is_digit`` if it is not MNIST's.
    """
    shape = model.network.input_shape
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(
            f"picture: the network must take grey or rgb images; got input {shape}."
        )
    if is_digit and shape != (28, 28, 1):
        raise DataError(
            "picture: --digit must go with a network for 28×28 grey images; "
            f"got input {shape}."
        )
    model.preprocessing.check_pictures()


def list_pictures(names: Sequence[str]) -> list[str]:
    """Replace each folder by the files in and below it, sorted by name.

    Hidden and stray files are skipped, as in training.

    Raises
    ------
    DataError
        If a folder cannot be listed, or has no file that may be an image.
    """
    return [file for name in names for file in _files(name)]


def _files(name: str) -> list[str]:
    from pellucid.data.folder import walk
    from pellucid.data.stray import is_shown, may_be_picture

    folder = Path(name)
    if name == "-" or not folder.is_dir():
        return [name]
    found, _ = walk(folder)
    files = sorted(file for file in found if is_shown(file) and may_be_picture(file))
    if not files:
        raise DataError(f"picture: {name!r} must hold pictures; got a folder without.")
    return [str(folder / file) for file in files]


def read_pictures(
    model: Model, names: Sequence[str], *, is_digit: bool = False
) -> tuple[list[tuple[str, Pixels]], dict[str, str]]:
    """Read images; collect errors of those that cannot be read.

    Parameters
    ----------
    model, is_digit
        As in `read_picture`.
    names : sequence of str
        Files; "-" for stdin.

    Returns
    -------
    tuple of (list of (str, ndarray), dict of str to str)
        Names and images, each of shape (H, W, C); error messages by name.

    Raises
    ------
    DataError
        If the model takes no images.
    """
    check_takes_pictures(model, is_digit=is_digit)
    found: list[tuple[str, Pixels]] = []
    broken: dict[str, str] = {}
    for name in names:
        try:
            found.append((name, read_picture(model, name, is_digit=is_digit)))
        except DataError as error:
            broken[name] = str(error)
    return found, broken
