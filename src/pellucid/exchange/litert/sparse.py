"""Sparse constants of LiteRT, which hold blocks of elements that are not zero.

References
----------
``SparsityParameters`` in ``tensorflow/compiler/mlir/lite/schema/schema.fbs``.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.litert.flatbuffer import Fields, Numbers, Scalar, Table, Union
from pellucid.network.layers import Shape

Array = npt.NDArray[Any]
SIZE_LIMIT = 2**26  # elements of a constant with its zeros
_DENSE = 0


def _vector(dtype: str) -> Fields:
    return {"values": (0, Numbers(dtype, is_large=True))}


_VECTORS = {1: _vector("<i4"), 2: _vector("<u2"), 3: _vector("u1")}
#: one level of the traversal: all places of an axis, or those that are listed
_LEVEL: Fields = {
    "format": (0, Scalar("b")),
    "dense_size": (1, Scalar("i")),
    "segments_type": (2, Scalar("B")),
    "segments": (3, Union("segments_type", _VECTORS)),
    "indices_type": (4, Scalar("B")),
    "indices": (5, Union("indices_type", _VECTORS)),
}
SPARSITY: Fields = {
    "traversal_order": (0, Numbers("<i4")),
    "block_map": (1, Numbers("<i4")),
    "levels": (2, Table(_LEVEL, is_vector=True)),
}


def fill_zeros(values: Array, shape: Shape, sparsity: dict[str, Any]) -> Array:
    """Return a constant with its zeros.

    Parameters
    ----------
    values : ndarray
        What is not zero, in the order of the traversal.
    shape : tuple of int
        Of the whole.
    sparsity : dict
        As the file has it: each level of the traversal is an axis, or what is within
        blocks of one.
    """
    if prod(shape) > SIZE_LIMIT:
        raise ValueError(f"a constant of {prod(shape)} elements")
    order = sparsity["traversal_order"].tolist()
    blocks = sparsity["block_map"]
    of_block = [] if blocks is None else blocks.tolist()
    place, columns = np.zeros(1, np.int64), list[Array]()
    for level in sparsity["levels"]:
        repeat, index, place = _advance(level, place)
        columns = [column[repeat] for column in columns]
        columns.append(index)
        if place.size > values.size:
            raise ValueError(f"{place.size} places of {values.size} elements")
    rank = len(shape)
    whole = [np.zeros(1, np.int64)] * rank
    for axis, column in zip(order[:rank], columns[:rank], strict=True):
        whole[axis] = column
    sizes = [level["dense_size"] for level in sparsity["levels"]]
    for axis, column, size in zip(
        order[rank:], columns[rank:], sizes[rank:], strict=True
    ):
        at = of_block[axis - rank]
        whole[at] = whole[at] * size + column
    made = np.zeros(shape, values.dtype)
    made[tuple(whole)] = values
    return made


def _advance(level: dict[str, Any], place: Array) -> tuple[Array, Array, Array]:
    """Return what of the places goes on, its index along the level, its new place."""
    many = np.arange(place.size)
    if level["format"] == _DENSE:
        size = int(level["dense_size"])
        repeat = many.repeat(size)
        index = np.tile(np.arange(size), place.size)
        return repeat, index, place[repeat] * size + index
    segments, indices = (
        np.asarray(level[name]["values"], np.int64) for name in ("segments", "indices")
    )
    starts, ends = segments[place], segments[place + 1]
    counts = ends - starts
    repeat = many.repeat(counts)
    before = np.cumsum(counts) - counts
    found = np.arange(repeat.size) - before[repeat] + starts[repeat]
    return repeat, indices[found], found
