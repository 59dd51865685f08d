"""Sparse constants of LiteRT: levels of a traversal, blocks, and their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pellucid.exchange.litert.sparse import SIZE_LIMIT, fill_zeros


def _dense(size: int) -> dict[str, Any]:
    return {"format": 0, "dense_size": size, "segments": None, "indices": None}


def _sparse(segments: list[int], indices: list[int]) -> dict[str, Any]:
    vectors = {
        name: {"values": np.asarray(values, np.uint8)}
        for name, values in (("segments", segments), ("indices", indices))
    }
    return {"format": 1, "dense_size": 0, **vectors}


def _sparsity(order: list[int], blocks: list[int], *levels: Any) -> dict[str, Any]:
    return {
        "traversal_order": np.asarray(order, np.int32),
        "block_map": np.asarray(blocks, np.int32),
        "levels": list(levels),
    }


def test_rows_name_their_columns() -> None:
    given = _sparsity([0, 1], [], _dense(3), _sparse([0, 2, 2, 3], [0, 2, 1]))
    made = fill_zeros(np.float32([5, 6, 7]), (3, 3), given)
    np.testing.assert_array_equal(made, [[5, 0, 6], [0, 0, 0], [0, 7, 0]])


def test_blocks_lie_at_their_places() -> None:
    """Columns first; within each block of two rows, both elements."""
    given = _sparsity([1, 0, 2], [0], _dense(2), _sparse([0, 1, 2], [1, 0]), _dense(2))
    made = fill_zeros(np.float32([1, 2, 3, 4]), (4, 2), given)
    np.testing.assert_array_equal(made, [[0, 3], [0, 4], [1, 0], [2, 0]])


def test_places_without_elements_and_endless_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="4 places of 3 elements"):
        fill_zeros(np.float32([1, 2, 3]), (4,), _sparsity([0], [], _dense(4)))
    with pytest.raises(ValueError, match="a constant of"):
        fill_zeros(np.float32([1]), (SIZE_LIMIT + 1,), _sparsity([0], [], _dense(1)))
