"""This file is how commands read pictures: as the model saw them in training."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.model import Model

_MOST_BYTES = 256 * 2**20  # that stdin may give: more is no picture for a network

Pixels = npt.NDArray[Any]


def read_picture(model: Model, name: str, *, is_digit: bool = False) -> Pixels:
    """Return one picture in the size and colour of a model's input.

    Parameters
    ----------
    model : Model
        Its preprocessing says size and colour; else its input's shape does.
    name : str
        A file, or "-" for the bytes of one picture on stdin.
    is_digit : bool
        Whether to centre a drawn digit as MNIST's authors did.

    Raises
    ------
    DataError
        If it is no picture, or the network does not take pictures.
    """
    from pellucid import data

    shape = model.network.input_shape
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(
            f"picture: the network must take grey or rgb images; got input {shape}."
        )
    source = sys.stdin.buffer.read(_MOST_BYTES + 1) if name == "-" else name
    if isinstance(source, bytes) and not 0 < len(source) <= _MOST_BYTES:
        got = "more" if source else "nothing"
        raise DataError(
            f"picture: stdin must give 1 to {_MOST_BYTES} bytes; got {got}."
        )
    called = "stdin" if name == "-" else name
    if is_digit:
        if shape != (28, 28, 1):
            raise DataError(
                "picture: --digit must go with a network for 28×28 grey images; "
                f"got input {shape}."
            )
        return data.digit(data.picture(source, colour="grey", name=called))
    how = model.preprocessing
    return data.picture(
        source,
        size=how.size or (shape[0], shape[1]),
        colour=how.colour or ("grey" if shape[2] == 1 else "rgb"),
        name=called,
    )


def read_pictures(model: Model, names: list[str], *, is_digit: bool) -> Pixels:
    """Return several pictures, shape (N, H, W, C)."""
    return np.stack([read_picture(model, name, is_digit=is_digit) for name in names])
