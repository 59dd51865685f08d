"""Python functions that a program calls while it runs.

Workers call one at a time, whatever thread they are. What a function raises is kept
until the program has ended; from then on no function is called and no weight changes.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.program.program_ir import Value

Array = npt.NDArray[Any]


class Callback(Protocol):
    """A function of some images: the first's number, how many, and where arrays lie."""

    arrays: int

    def __call__(self, index: int, images: int, *places: int) -> None:
        """Read and write the arrays."""


class Callbacks:
    """Addresses of a program's functions, and what one of them raised."""

    def __init__(self, functions: dict[str, Any], stop: Callable[[], None]) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._raised: BaseException | None = None
        # ctypes' objects, which must live as long as their addresses are called
        self._made = {name: self._make(one) for name, one in functions.items()}

    def _make(self, function: Callback) -> Any:
        def call(index: int, images: int, *places: int) -> None:
            with self._lock:
                if self._raised is not None:
                    return
                try:
                    function(index, images, *places)
                except BaseException as error:  # noqa: BLE001 - raised by `check`
                    self._raised = error
                    self._stop()

        kinds = [ctypes.c_void_p] * function.arrays
        return ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, *kinds)(call)

    def addresses(self) -> dict[str, int]:
        """Return each function's address by name."""
        return {
            name: int(ctypes.cast(made, ctypes.c_void_p).value or 0)
            for name, made in self._made.items()
        }

    def check(self) -> None:
        """Raise what a function raised."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised


@dataclass(frozen=True, slots=True)
class Images:
    """How images lie in a buffer: the layout of one, and the step to the next."""

    layout: ImageLayout
    stride: int

    @classmethod
    def of(cls, value: Value) -> Images:
        """Return how a node's value lies."""
        return cls(value.map, value.buffer.stride)

    def view(self, place: int, images: int) -> Array:
        """Return images as an array (N, height, width, channels), not copied."""
        m = self.layout
        strides = (4 * self.stride, 4 * m.row, 4 * m.padded_channels, 4)
        shape = (images, m.height, m.width, m.channels)
        first = flat(place + 4 * m.at(0, 0), 1)
        return np.lib.stride_tricks.as_strided(first, shape, strides)


def flat(place: int, count: int) -> Array:
    """Return so many floats in memory, not copied."""
    memory = memoryview((ctypes.c_float * count).from_address(place)).cast("B")
    found: Array = np.frombuffer(memory, np.float32)
    return found
