"""Integers times real numbers: fixed-point multiplication, and rounding.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 2.2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.engines.numpy.layers.forward import Array
from pellucid.network.quantization import encode_multiplier


def multiply(x: Array, real: Any, *, arithmetic: str = "fixed_point") -> Array:
    """Return round(x · real): by integers of 31 bits, or by a float of 64.

    ``real`` is one number, or one for each element of the last axis.
    """
    if arithmetic == "real":
        whole: Array = np.rint(x * np.asarray(real, np.float64)).astype(np.int64)
        return whole
    encoded = [encode_multiplier(float(r)) for r in np.atleast_1d(real)]
    m, shift = (np.asarray(part, np.int64) for part in zip(*encoded, strict=True))
    return multiply_fixed_point(x.astype(np.int64), m, shift)


def multiply_once(x: Array, real: Any) -> Array:
    """Return round(x · real) by integers of 31 bits, rounded once, halves up."""
    encoded = [encode_multiplier(float(r)) for r in np.atleast_1d(real)]
    m, shift = (np.asarray(part, np.int64) for part in zip(*encoded, strict=True))
    by = 31 - shift
    y: Array = (x.astype(np.int64) * m + (1 << (by - 1))) >> by
    return y


def multiply_fixed_point(x: Array, m: Array, shift: Array) -> Array:
    """Return x · m · 2^(shift − 31), rounded twice.

    First the upper half of the product of 64 bits, rounded; then that divided by a
    power of two, rounded with halves away from zero.
    """
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    high = ((x * m << left) + 2**30) >> 31
    mask = (1 << right) - 1
    rest = high & mask
    y: Array = (high >> right) + (rest > (mask >> 1) + (high < 0))
    return y


def divide(total: Array, count: Any) -> Array:
    """Return total / count, rounded with halves away from zero."""
    half = count // 2
    quotient = (np.abs(total) + half) // count
    y: Array = np.sign(total) * quotient
    return y


def round_away(x: Array) -> Array:
    """Round to the nearest integer, halves away from zero."""
    y: Array = np.copysign(np.floor(np.abs(x.astype(np.float64)) + 0.5), x)
    return y
