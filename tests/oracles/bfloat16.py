"""Rounding to bfloat16, as defined."""

from __future__ import annotations

from typing import Any

import numpy as np


def rounded(x: Any) -> Any:
    """Return float32 numbers of 8 significant bits: the nearest, ties to even.

    Denormal numbers become zeros; NaN and infinities stay.
    """
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32)
    even = bits >> 16 & 1  # whether the last bit that stays is odd
    near = (bits + 0x7FFF + even & 0xFFFF0000).astype(np.uint32).view(np.float32)
    near = np.where(abs(x) < np.finfo(np.float32).tiny, np.copysign(0, x), near)
    return np.where(np.isfinite(x), near, x).astype(np.float32)


def operands(cuts: int, *arrays: Any) -> list[Any]:
    """Return what products of so many parts multiply."""
    return [rounded(x) if cuts == 1 else x for x in arrays]
