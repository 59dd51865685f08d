"""A tensor's layout in a foreign file, relative to the node's own layout."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]

#: stands for the batch in shapes: a prime, so that no product of sizes hides it
BATCH = 1_000_003

FIRST = (0, 3, 1, 2)  # N, C, H, W out of our N, H, W, C
LAST = (0, 1, 2, 3)


def first_axes(rank: int) -> tuple[int, ...]:
    """Return (N, C, …) out of our (N, …, C), of that many axes with the batch."""
    return (0, rank - 1, *range(1, rank - 1))


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A foreign tensor: which node holds it, and where each of its axes is there.

    Parameters
    ----------
    node : str
        The node whose value it is.
    shape : tuple of int
        The node's own shape, without the batch.
    axes : tuple of int or None
        For each foreign axis the node's axis (0 is the batch), or None for an axis
        of length 1 that the node does not have. An axis of the node's that is not
        among them has length 1.
    order : array of int, optional
        Foreign feature j is the node's feature ``order[j]``: what remains of an image
        flattened channels first.
    image : (tuple of int, tuple of int), optional
        The image that was flattened: its shape in the node, and its axes in the order
        in which the file flattens them.
    joined : tuple of int
        The node's axes that the file's batch runs over, the slowest first: more than
        the batch (0) where the file joins it with others.
    """

    node: str
    shape: Shape
    axes: tuple[int | None, ...]
    order: Array | None = None
    image: tuple[Shape, tuple[int, ...]] | None = None
    joined: tuple[int, ...] = (0,)

    @property
    def foreign_shape(self) -> Shape:
        """The shape in the foreign file, with `BATCH` for the batch."""
        own = (BATCH, *self.shape)
        batch = prod(own[axis] for axis in self.joined)
        sizes = (batch, *self.shape)
        return tuple(1 if axis is None else sizes[axis] for axis in self.axes)

    @property
    def _foreign_axes(self) -> list[tuple[int | None, int]]:
        return list(zip(self.axes, self.foreign_shape, strict=True))

    @property
    def is_plain(self) -> bool:
        """True where the foreign layout is the node's own."""
        return self.axes == tuple(range(len(self.shape) + 1)) and self.order is None

    def axis(self, foreign: int) -> int | None:
        """Return the node's axis for a foreign one, which may count from the end."""
        return self.axes[foreign]

    def flat_order(self) -> Array | None:
        """Return the order of features once flattened; None where it is ours."""
        own = [axis - 1 for axis in self.axes if axis]
        places = np.arange(prod(self.shape)).reshape(self.shape)
        order = places.transpose(own).ravel()
        return None if np.array_equal(order, np.arange(order.size)) else order

    def same_axes(self, other: Tensor) -> bool:
        """True where two tensors have their axes alike, and all features in order."""
        is_ordered = self.order is None and other.order is None
        is_alike = self.axes == other.axes and len(self.shape) == len(other.shape)
        return is_alike and is_ordered and self.joined == other.joined

    def same_layout(self, other: Tensor) -> bool:
        """True where two tensors of one shape hold their numbers alike."""
        mine, theirs = ((x.axes, x.shape, x.joined) for x in (self, other))
        if mine != theirs:
            return False
        if self.order is None or other.order is None:
            return self.order is other.order
        return np.array_equal(self.order, other.order)

    def broadcasts(self, other: Tensor) -> bool:
        """True where a smaller tensor's axes meet the same axes as here.

        Ours are counted from the last one: (C,) meets the channels of (H, W, C). So
        must the foreign ones be, of which both have as many.
        """
        if len(self.axes) != len(other.axes) or self.joined != other.joined:
            return False
        rank, own = len(self.shape) + 1, len(other.shape) + 1
        for mine, theirs in zip(self.axes, other.axes, strict=True):
            if mine is None and theirs is None:
                continue
            if mine is None or (theirs is None and mine > rank - own):
                return False
            if theirs is not None and theirs != (mine and mine - (rank - own)):
                return False
        same = self.order is other.order or (
            self.order is not None
            and other.order is not None
            and np.array_equal(self.order, other.order)
        )
        return same or (self.shape[-1] == 1 or other.shape[-1] == 1)

    def to_foreign(self, array: Array) -> Array:
        """Return a batch of the node's values as the foreign file lays them out."""
        if self.order is not None:
            array = array[:, self.order]
        kept = [axis for axis in self.axes if axis is not None]
        kept += [axis for axis in range(array.ndim) if axis not in kept]  # of one
        count, moved = len(array), array.transpose(kept)
        shape = [count if axis == 0 else n for axis, n in self._foreign_axes]
        return moved.reshape(shape)

    def from_foreign(self, array: Array) -> Array:
        """Undo `to_foreign`."""
        kept = [axis for axis in self.axes if axis is not None]
        dropped = tuple(i for i, axis in enumerate(self.axes) if axis is None)
        array = array.squeeze(dropped).transpose(np.argsort(kept))
        if array.ndim <= len(self.shape):  # axes of one that the file does not have
            array = array.reshape(-1, *self.shape)
        return array if self.order is None else array[:, np.argsort(self.order)]


def unwrap_output(output: Any, got: str) -> Tensor:
    """Return the tensor in which a network ends.

    Raises
    ------
    ExchangeError
        If the output is a constant, which ``got`` names.
    """
    if not isinstance(output, Tensor):
        raise ExchangeError(f"import: the output must depend on the input; got {got}.")
    return output
