"""Copies of arrays to the device and back; layouts are canonical on JAX.

What JAX asks for instead: arrays that nobody else can see, as a step's buffers are
donated to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pellucid.engines.protocol import Array


def weights_in(weights: Mapping[str, Array], device: jax.Device) -> dict[str, Any]:
    """Copy arrays to the device; none shares memory with NumPy."""
    return {
        name: jax.device_put(jnp.array(array, copy=True), device)
        for name, array in weights.items()
    }


def array_out(array: Any, dtype: np.dtype[Any]) -> Array:
    """Copy an array from the device; it may be written to."""
    return np.array(array, dtype)


def arrays_out(arrays: Mapping[str, Any], dtype: np.dtype[Any]) -> dict[str, Array]:
    """Copy arrays from the device."""
    return {name: array_out(array, dtype) for name, array in arrays.items()}
