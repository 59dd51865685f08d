"""Padding modes, against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.composed import gradient_error, run

import pellucid as pl
from pellucid.errors import NetworkError, ShapeError

NUMPYS = {
    "circular": "wrap",
    "constant": "constant",
    "edge": "edge",
    "reflect": "reflect",
    "symmetric": "symmetric",
}
SIDES = ((2, 3), (0, 1))


def padded(x: Any, sides: Any, mode: str, value: float) -> Any:
    how: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, ((0, 0), *sides, (0, 0)), NUMPYS[mode], **how)


@pytest.mark.parametrize("mode", NUMPYS)
@pytest.mark.parametrize("value", [0.0, -1.5])
def test_padding_of_images_is_numpys(mode: Any, value: float) -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
    network = pl.Sequential(pl.Input(4, 5, 3), pl.Pad2D(SIDES, mode, value))
    np.testing.assert_array_equal(run(network, x), padded(x, SIDES, mode, value))
    assert gradient_error(network) < 1e-7


@pytest.mark.parametrize("mode", NUMPYS)
@pytest.mark.parametrize("value", [0.0, 2.0])
def test_padding_of_sequences_is_numpys(mode: Any, value: float) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 3))
    network = pl.Sequential(pl.Input(6, 3), pl.Pad1D((5, 2), mode, value))
    right = padded(x, ((5, 2),), mode, value)
    np.testing.assert_array_equal(run(network, x), right)


def test_padding_by_nothing_places_nothing() -> None:
    image = pl.Input(4, 5, 3)
    y = pl.Dense(2)(pl.Pad2D(0, mode="reflect")(image))
    assert len(pl.Network(inputs=image, outputs=y).nodes) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.Pad2D("same"), "padding must be an int or"),
        (lambda: pl.Pad2D(1, mode="mirror"), "mode must be one of constant, reflect"),
        (lambda: pl.Pad2D(1, value=float("inf")), "value must be a number"),
        (lambda: pl.Pad1D((1, -1)), "padding must be an int of at least 0"),
        (lambda: pl.Pad2D(4, "reflect")(pl.Input(4, 5, 3)), "at most 3 where 4"),
        (lambda: pl.Pad1D(5, "circular")(pl.Input(4, 3)), "at most 4 where 4"),
        (lambda: pl.Pad2D(1)(pl.Input(4, 3)), "input must be of shape"),
    ],
)
def test_padding_refuses(make: Any, message: str) -> None:
    with pytest.raises((NetworkError, ShapeError), match=message):
        make()
