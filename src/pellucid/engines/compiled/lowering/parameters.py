"""Layout of the weights in the session's memory.

All weights lie in one vector, grouped by how their derivatives come about and whether
they decay, each padded to whole vectors. Kernels see the padded layout; ``view``
shows the canonical one, for reading and writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.kernels.layout import padded

Array = npt.NDArray[Any]
#: chunk: chunks of images have derivatives of their own, which are joined; dense: made
#: over all images at once; norm: totals of the batch; fixed: frozen, or a buffer
Group = Literal["chunk", "dense", "norm", "fixed"]

ALIGN = 16
#: weights that one closing task joins and updates
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Layout:
    """How one weight lies: canonical → split → transposed → padded.

    ``packed`` is the padded shape after ``order``; ``split`` the canonical shape with
    an axis of groups where there are groups. ``encode`` turns weights of a type of
    their own into the floats of that shape, whose bits may be those of integers.
    """

    packed: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    encode: Callable[[Array], Array] | None = None

    @property
    def size(self) -> int:
        """Numbers in memory."""
        return padded(prod(self.packed), ALIGN)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One weight: its place in the vector and its layout."""

    name: str
    offset: int
    layout: Layout
    shape: tuple[int, ...]
    group: Group
    decays: bool

    def view(self, flat: Array) -> Array:
        """Return the weight in its split shape, as a view."""
        layout = self.layout
        packed = flat[self.offset : self.offset + prod(layout.packed)]
        sizes = tuple(layout.split[axis] for axis in layout.order)
        cut = packed.reshape(layout.packed)[tuple(slice(0, n) for n in sizes)]
        return cut.transpose(np.argsort(layout.order))

    def read(self, flat: Array) -> Array:
        """Return a canonical copy."""
        return np.array(self.view(flat), order="C").reshape(self.shape)

    def write(self, flat: Array, canonical: Array) -> None:
        """Put canonical values in their place."""
        if self.layout.encode is not None:
            canonical = self.layout.encode(canonical)
        self.view(flat)[...] = canonical.reshape(self.layout.split)


_ORDER: tuple[tuple[Group, bool], ...] = (
    ("chunk", True),
    ("chunk", False),
    ("norm", False),
    ("dense", False),
    ("dense", True),
    ("fixed", False),
)


def blocks_of(start: int, size: int) -> list[tuple[int, int, int]]:
    """Cut a range for closing tasks: [(first, length, how many)]."""
    many, rest = divmod(size, BLOCK)
    cuts = [(start, BLOCK, many), (start + many * BLOCK, rest, 1)]
    return [cut for cut in cuts if cut[1] and cut[2]]


class Parameters(Mapping[str, Parameter]):
    """All weights of a network by name, in the order of their places."""

    def __init__(
        self,
        wanted: Mapping[str, tuple[Layout, Group, bool]],
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self._all: dict[str, Parameter] = {}
        self._ranges: dict[tuple[Group, bool], tuple[int, int]] = {}
        offset = 0
        for group, decays in _ORDER:
            start = offset
            for name, (layout, mine, does) in wanted.items():
                if mine == group and (does == decays or group == "fixed"):
                    self._all[name] = Parameter(
                        name, offset, layout, shapes[name], group, decays
                    )
                    offset += layout.size
            self._ranges[group, decays] = (start, offset - start)
        self.size = max(offset, ALIGN)

    def alias(self, name: str, other: str) -> None:
        """Let a weight lie where another one does."""
        self._all[name] = self._all[other]

    def __getitem__(self, name: str) -> Parameter:
        return self._all[name]

    def __iter__(self) -> Any:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def range(self, group: Group, *, decays: bool) -> tuple[int, int]:
        """Return (offset, length) of a group in the vector."""
        return self._ranges.get((group, decays), (0, 0))

    @property
    def chunk_size(self) -> int:
        """Numbers that each chunk has derivatives of; they come first."""
        return (
            self.range("chunk", decays=True)[1] + self.range("chunk", decays=False)[1]
        )
