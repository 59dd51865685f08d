"""What estimators are given, as images; and the network that fits them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data import picture
from pellucid.errors import DataError
from pellucid.network import Network, Sequential, zoo
from pellucid.network import layers as pl
from pellucid.network.ports import require_single
from pellucid.network.preprocessing import Colour

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
#: a name of the zoo, a description, or what returns one for (input shape, outputs)
NetworkLike = str | Network | Callable[[Shape, int], Network] | None


def are_paths(X: Any) -> bool:
    """Return whether X is a list of picture files."""
    array = np.asarray(X, dtype=object) if isinstance(X, list) else X
    if getattr(array, "ndim", 0) != 1 or not len(array):
        return False
    return all(isinstance(item, str) or hasattr(item, "__fspath__") for item in array)


def read_pictures(X: Any, shape: Shape | None) -> Array:
    """Return the pictures of files as bytes, shape (N, H, W, C).

    Raises
    ------
    DataError
        If the shape is not known, or a file is not a picture.
    """
    if shape is None or len(shape) != 3 or shape[2] not in (1, 3):
        raise DataError(
            "sklearn: image_shape must be (height, width, 1 or 3) where X holds paths; "
            f"got image_shape={shape}."
        )
    size = (shape[0], shape[1])
    colour: Colour = "grey" if shape[2] == 1 else "rgb"
    return np.stack([picture(path, size=size, colour=colour) for path in X])


def as_images(X: Array, shape: Shape | None) -> Array:
    """Return X with each example in the shape of an image.

    Raises
    ------
    DataError
        If an example has another number of elements.
    """
    if shape is not None and X.shape[1:] != tuple(shape):
        if prod(X.shape[1:]) != prod(shape):
            raise DataError(
                f"sklearn: X must have examples of image_shape {tuple(shape)}; got "
                f"shape={X.shape}."
            )
        X = X.reshape(len(X), *shape)
    if X.ndim == 3:  # grey pictures
        X = X[..., None]
    return X if X.dtype == np.uint8 else np.asarray(X, np.float32)


def network_for(network: NetworkLike, shape: Shape, outputs: int) -> Network:
    """Return the network that an estimator trains.

    Raises
    ------
    DataError
        If the network takes other inputs, or gives another number of outputs.
    """
    if network is None:
        make = _image_network if len(shape) == 3 else _dense_network
        return make(shape, outputs)
    if isinstance(network, str):
        size = (shape[0], shape[1]) if len(shape) == 3 else None
        found = zoo(network, classes=outputs, input_size=size)
    elif isinstance(network, Network):
        found = network
    else:
        found = network(shape, outputs)
    if not isinstance(found, Network):
        raise DataError(
            "sklearn: network must return a Network for an input's shape and the "
            f"number of outputs; got {found!r}."
        )
    require_single("sklearn", found, sharing=True)
    if found.input_shape != shape or found.output_shape != (outputs,):
        raise DataError(
            f"sklearn: network must take {shape} and give ({outputs},); got "
            f"'{found.name}' from {found.input_shape} to {found.output_shape}."
        )
    return found


def _image_network(shape: Shape, outputs: int) -> Network:
    layers: list[pl.Layer] = []
    side = min(shape[:2])
    for channels in (32, 64):
        layers.append(
            pl.Conv2D(channels, kernel_size=3, padding="same", activation="relu")
        )
        if side >= 2:
            layers.append(pl.MaxPool2D(2))
            side //= 2
    return Sequential(
        pl.Input(*shape),
        *layers,
        pl.Flatten(),
        pl.Dense(64, activation="relu"),
        pl.Dense(outputs),
        name="cnn",
    )


def _dense_network(shape: Shape, outputs: int) -> Network:
    return Sequential(
        pl.Input(*shape),
        pl.Dense(64, activation="relu"),
        pl.Dense(outputs),
        name="dense",
    )
