"""Calibrate activation ranges of int8 on images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.ports import join
from pellucid.errors import ExchangeError
from pellucid.exchange.preprocess import preprocess_images
from pellucid.model import Model
from pellucid.model.ports import prepare_inputs

Range = tuple[float, float]
_BATCH = 32


def calibrate(model: Model, images: npt.ArrayLike) -> dict[str, Range]:
    """Return the smallest and the largest activation of each node.

    Parameters
    ----------
    model : Model
        On any engine that shows its activations.
    images : array, shape (N, *input shape)
        As `Model.predict` takes them, of several inputs a tuple or dict; one at least.

    Raises
    ------
    ExchangeError
        If there are no images, or activations are not finite.
    """
    names = model.network.inputs
    arrays = _checked(model, images)
    found: dict[str, Range] = dict.fromkeys(names, (np.inf, -np.inf))
    for begin in range(0, len(arrays[0]), _BATCH):
        batch = [np.asarray(x[begin : begin + _BATCH], np.float32) for x in arrays]
        given = dict(zip(names, batch, strict=True))
        for name, array in {**model.activations(join(batch)), **given}.items():
            found[name] = _wider(found.get(name), np.asarray(array))
    for name, (low, high) in found.items():
        if not np.isfinite([low, high]).all():
            raise ExchangeError(
                f"export: activations must be finite to calibrate on; got {low} ... "
                f"{high} at node '{name}'."
            )
    return found


def _checked(model: Model, images: npt.ArrayLike) -> tuple[npt.NDArray[Any], ...]:
    """Return the arrays of all inputs as floats."""
    if len(model.network.inputs) > 1:
        arrays = prepare_inputs(model, images)
        if not len(arrays[0]):
            raise ExchangeError(
                "export: calibration must be of one example at least; got none."
            )
        return arrays
    x = np.asarray(images)
    shape = model.network.input_shape
    if x.shape[1:] != shape or not len(x):
        raise ExchangeError(
            f"export: calibration must be images of shape (N, {_sizes(shape)}), one "
            f"at least; got shape={x.shape}."
        )
    return (preprocess_images(model, x),)


def _wider(before: Range | None, array: npt.NDArray[Any]) -> Range:
    low, high = float(array.min()), float(array.max())
    return (
        (low, high) if before is None else (min(before[0], low), max(before[1], high))
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
