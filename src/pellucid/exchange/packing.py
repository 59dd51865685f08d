"""Several arrays of the same examples as one, and back."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


def pack(arrays: Sequence[Array]) -> Array:
    """Return arrays of shape (N, …) beside each other, shape (N, elements)."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def unpack(packed: Array, shapes: Sequence[Shape]) -> list[Array]:
    """Undo `pack`; ``shapes`` are those of one example."""
    ends = np.cumsum([prod(shape) for shape in shapes])[:-1]
    parts = np.split(packed, ends, axis=1)
    return [
        np.ascontiguousarray(part).reshape(len(packed), *shape)
        for part, shape in zip(parts, shapes, strict=True)
    ]
