"""This file is weights laid out for code that computes several channels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def pack_channels(weight: Array, lanes: int) -> Array:
    """(…, out) → (tiles of that many channels, …, lanes), filled up with zeros."""
    missing = -weight.shape[-1] % lanes
    wide = np.pad(weight, [(0, 0)] * (weight.ndim - 1) + [(0, missing)])
    split = wide.reshape(*weight.shape[:-1], -1, lanes)
    return np.moveaxis(split, -2, 0)


def get_bias(weights: dict[str, Array], channels: int) -> Array:
    """Return the bias, or zeros where a layer has none."""
    return weights.get("bias", np.zeros(channels, np.float32))


def fold_batch_norm(weights: dict[str, Array], epsilon: float) -> tuple[Array, Array]:
    """Return batch norm with running statistics as ``x · scale + shift``."""
    wide = {role: np.asarray(array, np.float64) for role, array in weights.items()}
    scale = wide["scale"] / np.sqrt(wide["running_variance"] + epsilon)
    return scale, wide["offset"] - wide["running_mean"] * scale
