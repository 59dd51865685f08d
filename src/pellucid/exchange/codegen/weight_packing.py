"""Pack weights for kernels that compute several output channels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def pack_channels(weight: Array, lanes: int) -> Array:
    """Pack output channels into tiles, zeros filling the last.

    Parameters
    ----------
    weight : array, shape (…, out)
    lanes : int
        Channels of one tile.

    Returns
    -------
    array, shape (ceil(out / lanes), …, lanes)
    """
    missing = -weight.shape[-1] % lanes
    wide = np.pad(weight, [(0, 0)] * (weight.ndim - 1) + [(0, missing)])
    split = wide.reshape(*weight.shape[:-1], -1, lanes)
    return np.moveaxis(split, -2, 0)


def get_bias(weights: dict[str, Array], channels: int) -> Array:
    """Return the bias, or zeros where a layer has none."""
    return weights.get("bias", np.zeros(channels, np.float32))


def fold_batch_norm(weights: dict[str, Array], epsilon: float) -> tuple[Array, Array]:
    """Fold batch norm with running statistics into ``y = x · scale + shift``.

    scale = γ / √(σ² + ε) and shift = β − μ · scale, both of shape (C,) and float64.

    References
    ----------
    Jacob et al. 2018, "Quantization and training of neural networks for efficient
    integer-arithmetic-only inference", section 3.2.
    """
    wide = {role: np.asarray(array, np.float64) for role, array in weights.items()}
    scale = wide["scale"] / np.sqrt(wide["running_variance"] + epsilon)
    return scale, wide["offset"] - wide["running_mean"] * scale
