"""Tolerances between engines, and their reasons."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

#: float64: other orders of summation cost about 1e-14 a layer
EXACT: Final = {"activations": 1e-10, "gradients": 1e-9, "weights": 1e-9}
#: float32: as many times what rounding does to the reference itself
FLOORS: Final = 10
LEAST_ACTIVATION: Final = 1e-5
_EPSILON: Final = 2.0**-23
#: an array smaller than this share of the largest of its kind is held against that
SMALL: Final = 1e-4


def limits(kind: str, floor: Numbers, *, dtype: str) -> Numbers:
    """Return the largest deviation that passes.

    Parameters
    ----------
    kind : {"activations", "gradients", "weights"}
    floor : ndarray, shape (steps, tensors)
        The reference's own float32 against its float64.
    dtype : {"float32", "float64"}

    Returns
    -------
    ndarray, shape (steps, tensors)

    Notes
    -----
    In float32 ten times the floor; activations at least 1e-5. One batch's floor is
    one draw: an array can be rounded almost without an error by luck. So it counts as
    at least the largest that the array had on any batch of the check, the median of
    its kind, and half a unit in the last place.
    """
    if dtype == "float64":
        return np.full(floor.shape, EXACT[kind])
    largest = np.broadcast_to(floor.max(axis=0), floor.shape)
    typical = np.median(largest, axis=1, keepdims=True)
    limit = FLOORS * np.maximum(np.maximum(largest, typical), _EPSILON / 2)
    least = LEAST_ACTIVATION if kind == "activations" else 0.0
    wide: Numbers = np.maximum(limit, least)
    return wide
