"""Calibrate activation ranges of int8 on images."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange.preprocess import preprocess_images
from pellucid.model import Model

Range = tuple[float, float]
_BATCH = 32


def calibrate(model: Model, images: npt.ArrayLike) -> dict[str, Range]:
    """Return the smallest and the largest activation of each node.

    Parameters
    ----------
    model : Model
        On any engine that shows its activations.
    images : array, shape (N, *input shape)
        As `Model.predict` takes them; one at least.

    Raises
    ------
    ExchangeError
        If there are no images, or activations are not finite.
    """
    x = np.asarray(images)
    shape = model.network.input_shape
    if x.shape[1:] != shape or not len(x):
        raise ExchangeError(
            f"export: calibration must be images of shape (N, {_sizes(shape)}), one "
            f"at least; got shape={x.shape}."
        )
    x = preprocess_images(model, x)
    found: dict[str, Range] = {model.network.inputs[0]: (np.inf, -np.inf)}
    for begin in range(0, len(x), _BATCH):
        batch = np.asarray(x[begin : begin + _BATCH], np.float32)
        seen = {**model.activations(batch), model.network.inputs[0]: batch}
        for name, array in seen.items():
            found[name] = _wider(found.get(name), np.asarray(array))
    for name, (low, high) in found.items():
        if not np.isfinite([low, high]).all():
            raise ExchangeError(
                f"export: activations must be finite to calibrate on; got {low} ... "
                f"{high} at node '{name}'."
            )
    return found


def _wider(before: Range | None, array: npt.NDArray[Any]) -> Range:
    low, high = float(array.min()), float(array.max())
    return (
        (low, high) if before is None else (min(before[0], low), max(before[1], high))
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
