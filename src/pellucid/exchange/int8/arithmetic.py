"""Integer arithmetic of int8: scales, zero points and fixed-point multipliers.

References
----------
LiteRT's 8-bit quantization specification; Jacob et al. 2018, "Quantization and
training of neural networks for efficient integer-arithmetic-only inference",
section 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.int8.calibration import Range
from pellucid.exchange.litert.graph import Scales

Array = npt.NDArray[Any]
LOW, HIGH = -128, 127
_BIAS_LIMIT = 2**30  # leaves room for the sum that it begins


def compute_scales(extent: Range) -> Scales:
    """Return an activation's scale and zero point: 256 steps, one of them exactly 0."""
    low, high = min(extent[0], 0.0), max(extent[1], 0.0)
    scale = np.float32((high - low) / (HIGH - LOW)) or np.float32(1)
    zero_point = round(LOW - low / float(scale))
    return Scales(np.asarray([scale]), min(max(zero_point, LOW), HIGH))


def quantize_array(array: Array, scales: Scales) -> Array:
    """Quantize to int8: q = clip(round(x / scale) + zero_point, −128, 127)."""
    steps = np.round(np.asarray(array, np.float64) / scales.one) + scales.zero_point
    numbers: Array = np.clip(steps, LOW, HIGH).astype(np.int8)
    return numbers


def quantize_weight_and_bias(
    weight: Array, bias: Array, *, axis: int, scale: float, most: int = HIGH
) -> tuple[Array, Array, Scales, Scales]:
    """Quantize a layer's weights symmetrically to int8, its bias to int32.

    Each channel of ``axis`` has its own scale and reaches from −most to most, with 0 at
    0; ``scale`` is the input's. A bias has the product of the two.
    """
    rest = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight.astype(np.float64)).max(rest)
    wide = np.maximum(largest / most, np.abs(bias) / (scale * _BIAS_LIMIT))
    steps = np.where(wide > 0, wide, 1.0).astype(np.float32)
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    numbers = np.round(weight / steps.astype(np.float64).reshape(shape))
    product = (np.float32(scale) * steps).astype(np.float32)
    start = np.round(bias.astype(np.float64) / product)
    return (
        np.clip(numbers, -HIGH, HIGH).astype(np.int8),
        start.astype(np.int32),
        Scales(steps, axis=axis),
        Scales(product),
    )


def multiply_fixed_point(x: int, m: int, shift: int) -> int:
    """Return x · m · 2^(shift − 31), rounded twice as the specification's code does."""
    left, right = max(shift, 0), max(-shift, 0)
    high = ((x * m << left) + 2**30) >> 31
    mask = (1 << right) - 1
    return (high >> right) + int(high & mask > (mask >> 1) + int(high < 0))
