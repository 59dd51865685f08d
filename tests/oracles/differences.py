"""Derivatives by central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def central(f: Callable[[Array], float], at: Array, step: float = 1e-6) -> Array:
    """Return ∂f/∂at, one number after the other: (f(x+h) − f(x−h)) / 2h."""
    grad = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        kept = at[index]
        at[index] = kept + step
        high = f(at)
        at[index] = kept - step
        low = f(at)
        at[index] = kept
        grad[index] = (high - low) / (2 * step)
    return grad


def relative_error(a: Array, b: Array) -> float:
    """Return ‖a − b‖∞ / max(‖b‖∞, tiny)."""
    scale = max(float(np.abs(b).max(initial=0.0)), 1e-12)
    return float(np.abs(a - b).max(initial=0.0)) / scale
