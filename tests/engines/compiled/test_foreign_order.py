"""Copies between a session's vector and arrays of another order."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.foreign_order import (
    ForeignOrder,
    find_pieces,
    places_in,
)
from pellucid.engines.compiled.program.workers import pool

#: shapes of arrays, the order of their axes in the vector, padding of its last axis
CASES = [
    ((37,), (0,), 0),
    ((10, 130), (1, 0), 6),
    ((35, 20, 3, 3), (2, 3, 1, 0), 13),  # PyTorch's convolution
    ((70, 24, 5, 7), (2, 3, 1, 0), 0),  # a dense layer after channels-first pixels
    ((4, 6, 5, 3, 3), (0, 3, 4, 2, 1), 2),  # groups
    ((300, 9), (0, 1), 0),
]


def beside(
    shape: tuple[int, ...], order: tuple[int, ...], padding: int
) -> tuple[Any, Any, Any]:
    """A vector, the view of an array's elements in it, and their places there."""
    sizes = [shape[axis] for axis in order]
    packed = (*sizes[:-1], sizes[-1] + padding)
    vector = np.zeros(3 + prod(packed), np.float32)
    view = vector[3:].reshape(packed)[..., : sizes[-1]]
    return vector, view, np.arange(prod(shape)).reshape(shape).transpose(order)


@pytest.mark.parametrize("lanes", [4, target().lanes])
@pytest.mark.parametrize(("shape", "order", "padding"), CASES)
def test_elements_reach_their_places_and_come_back(
    shape: tuple[int, ...], order: tuple[int, ...], padding: int, lanes: int
) -> None:
    here = replace(target(), lanes=lanes)
    vector, view, places = beside(shape, order, padding)
    pieces = find_pieces(places, places_in(view, vector))
    pair = ForeignOrder([pieces], here, pool(1, here))
    array = np.random.default_rng(0).standard_normal(shape, np.float32)
    assert pair.move("take", vector, [array.ctypes.data])
    assert np.array_equal(view, array.transpose(order))
    assert np.count_nonzero(vector) == array.size
    found = np.ones_like(array)
    assert not pair.move("add", vector, [found.ctypes.data])
    assert np.array_equal(found, 1 + array)
    pair.move("give", vector, [found.ctypes.data])
    assert np.array_equal(found, array)


def test_the_least_change_is_noticed_and_none_is_not() -> None:
    vector, view, places = beside((35, 20, 3, 3), (2, 3, 1, 0), 13)
    here = target()
    pieces = find_pieces(places, places_in(view, vector))
    pair = ForeignOrder([pieces], here, pool(1, here))
    array = np.full((35, 20, 3, 3), np.nan, np.float32)
    assert pair.move("take", vector, [array.ctypes.data])
    assert not pair.move("take", vector, [array.ctypes.data])
    for place in (0, array.size // 2, array.size - 1):
        array.flat[place] = -0.0 if np.isnan(array.flat[place]) else 0.0
        assert pair.move("take", vector, [array.ctypes.data])
    array.flat[0] = 0.0  # it was -0.0
    assert pair.move("take", vector, [array.ctypes.data])


def test_parts_of_an_array_and_elements_twice_are_added_up() -> None:
    here = target()
    vector = np.arange(12, dtype=np.float32)
    array = np.zeros(10, np.float32)
    wanted = np.array([9, 3, 3, 0, 5, 5, 7, 1, 9, 0, 2, 4])
    pieces = find_pieces(wanted, np.arange(12))
    pair = ForeignOrder([pieces], here, pool(1, here))
    pair.move("add", vector, [array.ctypes.data])
    expected = np.zeros(10, np.float32)
    np.add.at(expected, wanted, vector)
    assert np.array_equal(array, expected)


def test_workers_share_large_arrays() -> None:
    here = target()
    shape = 96, 40, 4, 6
    cases = [beside(shape, (2, 3, 1, 0), 0) for _ in range(2)]
    vector = np.concatenate([vector for vector, _, _ in cases])
    half = len(cases[0][0])
    views = [
        vector[3 + i * half : (i + 1) * half].reshape(4, 6, 40, 96) for i in (0, 1)
    ]
    places = cases[0][2]
    pieces = [find_pieces(places, places_in(view, vector)) for view in views]
    pair = ForeignOrder(pieces, here, pool(3, here))
    arrays = np.random.default_rng(1).standard_normal((2, *shape), np.float32)
    assert pair.move("take", vector, [array.ctypes.data for array in arrays])
    for view, array in zip(views, arrays, strict=True):
        assert np.array_equal(view, array.transpose(2, 3, 1, 0))
