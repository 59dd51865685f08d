"""This file is pictures between page and model: drawings in, numbers out."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import picture, prepare_digit, refit
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.network import Network

Array = npt.NDArray[Any]
DIGIT = (28, 28, 1)


def takes_pictures(network: Network) -> bool:
    """Return whether a network's input is a grey or colour picture."""
    return len(network.input_shape) == 3 and network.input_shape[2] in (1, 3)


def check_takes_pictures(network: Network) -> None:
    """Refuse to draw for a network whose input is something else; DataError."""
    if not takes_pictures(network):
        raise DataError(
            "studio: the network must take pictures to be drawn for; got an input of "
            f"shape {network.input_shape}. Train it and look at its curves instead."
        )


def drawing(model: Model, pixels: bytes, side: int) -> tuple[Array, list[str]]:
    """Return what a network sees of a drawing, and what was done to it.

    Parameters
    ----------
    model : Model
        For networks of 28×28 grey pictures, MNIST's preparation is done.
    pixels : bytes
        side × side grey values, light on dark.
    side : int
        Of the square, in pixels.

    Raises
    ------
    DataError
        If the number of bytes is another, or nothing is drawn.
    """
    check_takes_pictures(model.network)
    if not 1 <= side <= 1024 or len(pixels) != side * side:
        raise DataError(
            f"studio: a drawing must have side × side bytes; got {len(pixels)} for "
            f"side={side}."
        )
    grey = np.frombuffer(pixels, np.uint8).reshape(side, side, 1)
    return _prepared(model, grey)


def dropped(model: Model, content: bytes, pixel_limit: int) -> tuple[Array, list[str]]:
    """Return what a network sees of a picture file, and what was done to it."""
    check_takes_pictures(model.network)
    return _prepared(model, picture(content, pixel_limit=pixel_limit))


def _prepared(model: Model, pixels: Array) -> tuple[Array, list[str]]:
    height, width, channels = model.network.input_shape
    if (height, width, channels) == DIGIT and _knows_digits(model):
        image, steps = prepare_digit(pixels)
        return image, _said(pixels.shape, steps)
    colour: Any = "grey" if channels == 1 else "rgb"
    image = refit(pixels[None], size=(height, width), colour=colour)[0]
    was, kind = (
        f"{pixels.shape[0]}×{pixels.shape[1]}",
        "grey" if channels == 1 else "colour",
    )
    return image, [f"brought from {was} to {height}×{width} pixels, {kind}"]


def _knows_digits(model: Model) -> bool:
    """Return whether its classes are the digits, or have no names."""
    return model.classes in ((), tuple("0123456789"))


def _said(shape: tuple[int, ...], steps: Any) -> list[str]:
    top, left, bottom, right = steps.box
    done = ["dark on light, so it was inverted"] if steps.inverted else []
    row, column = steps.shift
    return [
        *done,
        f"ink found in rows {top}–{bottom - 1} and columns {left}–{right - 1} "
        f"of {shape[0]}×{shape[1]} pixels",
        f"scaled by {steps.scale:.3f} to fit 20×20 pixels",
        f"placed at row {row}, column {column}, so that its centre of mass is the "
        "centre of 28×28",
    ]


def decode(model: Model, text: str) -> Array:
    """Return the image that a page holds as base64, uint8 of the network's shape.

    Raises
    ------
    DataError
        If it is none.
    """
    shape = model.network.input_shape
    check_takes_pictures(model.network)
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise DataError(f"studio: the image must be base64; got {error}.") from error
    if len(content) != int(np.prod(shape)):
        raise DataError(
            f"studio: the image must have {int(np.prod(shape))} bytes for shape "
            f"{shape}; got {len(content)}. Was the network exchanged? Draw again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def encode(values: Array) -> str:
    """Return bytes of uint8 as base64."""
    return base64.b64encode(np.ascontiguousarray(values, np.uint8).tobytes()).decode()


def levels(values: Array) -> dict[str, Any]:
    """Return an array as 8-bit levels around zero, with the size of a level.

    ``value ≈ (level − 128) / 127 · largest``; the page paints levels, and asks for
    exact numbers one by one.
    """
    largest = float(np.abs(values).max(initial=0.0))
    scale = 127 / largest if largest > 0 and np.isfinite(largest) else 0.0
    rounded = np.rint(np.nan_to_num(values * scale)) + 128
    return {
        "shape": list(values.shape),
        "levels": encode(rounded.astype(np.uint8)),
        "largest": largest if np.isfinite(largest) else 0.0,
    }
