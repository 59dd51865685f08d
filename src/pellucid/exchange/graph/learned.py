"""Which constants of a graph are parameters that its author's training changes.

A module's own parameters (layer scales, positions, tokens) reach their operators as
constants. Views of them are still they; what is computed from them is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.exchange.graph.tensor import Array


class LearnedArrays:
    """Arrays that train, recognized by their memory."""

    def __init__(self) -> None:
        self._owners: dict[int, Array] = {}

    def add(self, array: Array) -> None:
        """Say that an array is a parameter."""
        owner = owner_of(array)
        self._owners[id(owner)] = owner

    def holds(self, constant: Any) -> bool:
        """Whether a constant is a parameter, or a view of one."""
        is_array = isinstance(constant, np.ndarray)
        return is_array and id(owner_of(constant)) in self._owners


def owner_of(array: Array) -> Array:
    """Return the array whose memory a view shows."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
