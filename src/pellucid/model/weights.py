"""A model's weights by name, to be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy.typing as npt

Array = npt.NDArray[Any]


class Weights(Mapping[str, Array]):
    """All arrays of a model by name, in topological order; read-only.

    Unlike a `types.MappingProxyType` it can be copied deeply and pickled; the arrays
    of a copy can be written.
    """

    __slots__ = ("_arrays",)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = dict(arrays)

    def __getitem__(self, name: str) -> Array:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __or__(self, other: Mapping[str, Array]) -> dict[str, Array]:
        return {**self._arrays, **other}

    def __ror__(self, other: Mapping[str, Array]) -> dict[str, Array]:
        return {**other, **self._arrays}

    def copy(self) -> dict[str, Array]:
        """Return a dictionary of the same arrays."""
        return dict(self._arrays)

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Array]]]:
        return type(self), (self._arrays,)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {a.shape}" for name, a in self._arrays.items())
        return f"<Weights: {shapes}>"
