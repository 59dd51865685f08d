"""Images between page and model: drawings in, maps out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import picture, prepare_digit, refit
from pellucid.errors import DataError
from pellucid.model import Model
from pellucid.network import Network
from pellucid.network.ports import has_several
from pellucid.serving.tensors import check_finite

Array = npt.NDArray[Any]
DIGIT = (28, 28, 1)
_FLOAT = np.dtype("<f8")


def takes_pictures(network: Network, of_input: str | None = None) -> bool:
    """Return whether an input (the first, if none is named) is a picture."""
    shape = network.shapes[of_input or network.inputs[0]]
    return len(shape) == 3 and shape[2] in (1, 3)


def input_shape(network: Network, of_input: str | None) -> tuple[int, ...]:
    """Return the shape of an input; the only one needs no name.

    Raises
    ------
    DataError
        If there is no input of that name, or there are several and none is named.
    """
    if of_input is None and len(network.inputs) == 1:
        return network.input_shape
    if of_input not in network.inputs:
        raise DataError(
            f"studio: input must be one of {', '.join(network.inputs)}; got "
            f"{of_input!r}."
        )
    return network.shapes[of_input]


def check_takes_pictures(network: Network, of_input: str | None) -> None:
    """Refuse to draw for an input that is something else; DataError."""
    shape = input_shape(network, of_input)
    if not takes_pictures(network, of_input):
        raise DataError(
            "studio: the network must take pictures to be drawn for; got an input of "
            f"shape {shape}. Train it and look at its curves instead."
        )


def prepare_drawing(
    model: Model, pixels: bytes, side: int, of_input: str | None = None
) -> tuple[Array, list[str]]:
    """Return what a network sees of a drawing, and what was done to it.

    Parameters
    ----------
    model : Model
        For networks of 28×28 grey pictures, MNIST's preparation is done.
    pixels : bytes
        side × side grey values, light on dark.
    side : int
        Of the square, in pixels.
    of_input : str, optional
        Name of the input, where there are several.

    Raises
    ------
    DataError
        If the number of bytes is another, or nothing is drawn.
    """
    check_takes_pictures(model.network, of_input)
    if not 1 <= side <= 1024 or len(pixels) != side * side:
        raise DataError(
            f"studio: a drawing must have side × side bytes; got {len(pixels)} for "
            f"side={side}."
        )
    grey = np.frombuffer(pixels, np.uint8).reshape(side, side, 1)
    return _prepare(model, of_input, grey)


def prepare_picture(
    model: Model, content: bytes, pixel_limit: int, of_input: str | None = None
) -> tuple[Array, list[str]]:
    """Return what a network sees of a picture file, and what was done to it."""
    check_takes_pictures(model.network, of_input)
    return _prepare(model, of_input, picture(content, pixel_limit=pixel_limit))


def _prepare(
    model: Model, of_input: str | None, pixels: Array
) -> tuple[Array, list[str]]:
    model.preprocessing.check_pictures()
    height, width, channels = input_shape(model.network, of_input)
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
    if has_several(model.network):
        return False
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


def decode(model: Model, held: str | Mapping[str, str]) -> Any:
    """Return the example that a page holds as base64.

    Returns
    -------
    ndarray, of the network's input shape
        uint8 of a picture, or float64 little-endian: of what is none, and of pictures
        whose data has floating-point pixels. Of several inputs or outputs a dict by
        input, in which zeros stand for inputs that the page has not.

    Raises
    ------
    DataError
        If it is none.
    """
    network = model.network
    if not has_several(network):
        if not isinstance(held, str):
            raise DataError("studio: the image must be one; got several by name.")
        return _decode(network, None, held)
    if isinstance(held, str):
        raise DataError("studio: the image must have one for each input; got one.")
    for name in held:
        input_shape(network, name)
    return {
        name: _decode(network, name, held[name])
        if name in held
        else np.zeros(network.shapes[name], _dtype(network, name))
        for name in network.inputs
    }


def describe_pixels(example: Array) -> list[str]:
    """Say which values a picture's pixels have, where they are not bytes."""
    if example.dtype == np.uint8:
        return []
    low, high = float(example.min()), float(example.max())
    return [f"its pixels are floating-point numbers, here from {low:.4g} to {high:.4g}"]


def as_batch(example: Any) -> Any:
    """Return an example, of several inputs each, as a batch of one."""
    if isinstance(example, dict):
        return {name: array[None] for name, array in example.items()}
    return example[None]


def _decode(network: Network, of_input: str | None, text: str) -> Array:
    shape, dtype = input_shape(network, of_input), _dtype(network, of_input)
    count = prod(shape)
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise DataError(f"studio: the image must be base64; got {error}.") from error
    if len(content) == count * _FLOAT.itemsize:
        dtype = _FLOAT
    if len(content) != count * dtype.itemsize:
        raise DataError(
            f"studio: the image must have {count * dtype.itemsize} bytes for shape "
            f"{shape}; got {len(content)}. Was the network exchanged? Draw again."
        )
    values = np.frombuffer(content, dtype).reshape(shape)
    check_finite(values)
    return values


def prepare_values(
    model: Model, values: list[float], of_input: str | None = None
) -> Array:
    """Return numbers as an input that is no picture.

    Raises
    ------
    DataError
        If there are not as many as it takes.
    """
    shape = input_shape(model.network, of_input)
    if len(values) != prod(shape):
        raise DataError(
            f"studio: the input must have {prod(shape)} numbers for shape {shape}; "
            f"got {len(values)}."
        )
    array = np.array(values, np.float64).reshape(shape)
    check_finite(array)
    return array


def _dtype(network: Network, of_input: str | None) -> np.dtype[Any]:
    return np.dtype("u1") if takes_pictures(network, of_input) else _FLOAT


def encode(values: Array) -> str:
    """Return pixels of uint8, or anything else in float64, as base64."""
    dtype = np.dtype("u1") if values.dtype == np.uint8 else _FLOAT
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
