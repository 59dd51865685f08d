"""Images between page and model: drawings in, maps out."""

from __future__ import annotations

import base64
import binascii
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import picture, prepare_digit, refit
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.network import Network
from pellucid.serving.tensors import check_finite

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


def prepare_drawing(model: Model, pixels: bytes, side: int) -> tuple[Array, list[str]]:
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
    return _prepare(model, grey)


def prepare_picture(
    model: Model, content: bytes, pixel_limit: int
) -> tuple[Array, list[str]]:
    """Return what a network sees of a picture file, and what was done to it."""
    check_takes_pictures(model.network)
    return _prepare(model, picture(content, pixel_limit=pixel_limit))


def _prepare(model: Model, pixels: Array) -> tuple[Array, list[str]]:
    model.preprocessing.check_pictures()
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
    """Return the input that a page holds as base64.

    Returns
    -------
    ndarray, of the network's input shape
        uint8 of a picture, else float64 little-endian.

    Raises
    ------
    DataError
        If it is none.
    """
    shape, dtype = model.network.input_shape, _dtype(model.network)
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise DataError(f"studio: the image must be base64; got {error}.") from error
    expected = prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError(
            f"studio: the image must have {expected} bytes for shape "
            f"{shape}; got {len(content)}. Was the network exchanged? Draw again."
        )
    values = np.frombuffer(content, dtype).reshape(shape)
    check_finite(values)
    return values


def prepare_values(model: Model, values: list[float]) -> Array:
    """Return numbers as the input of a network that takes no pictures.

    Raises
    ------
    DataError
        If there are not as many as it takes.
    """
    shape = model.network.input_shape
    if len(values) != prod(shape):
        raise DataError(
            f"studio: the input must have {prod(shape)} numbers for shape {shape}; "
            f"got {len(values)}."
        )
    array = np.array(values, np.float64).reshape(shape)
    check_finite(array)
    return array


def _dtype(network: Network) -> np.dtype[Any]:
    return np.dtype("u1" if takes_pictures(network) else "<f8")


def encode(values: Array) -> str:
    """Return pixels of uint8, or float64 of what is no picture, as base64."""
    dtype = np.dtype("u1" if values.dtype == np.uint8 else "<f8")
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def levels(values: Array) -> dict[str, Any]:
    """Return an array as 8-bit levels around zero, with the size of a level.

    ``value ≈ (level − 128) / 127 · largest``: colours to paint, never to be written as
    numbers. Those come exact, beside them or one by one.
    """
    largest = float(np.abs(values).max(initial=0.0))
    scale = 127 / largest if largest > 0 and np.isfinite(largest) else 0.0
    rounded = np.rint(np.nan_to_num(values * scale)) + 128
    return {
        "shape": list(values.shape),
        "levels": encode(rounded.astype(np.uint8)),
        "largest": largest if np.isfinite(largest) else 0.0,
    }
