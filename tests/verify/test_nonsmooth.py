"""Corners: counted, and derivatives on either side of them."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.state import initial_state
from pellucid.verify.nonsmooth import (
    BranchSession,
    count_differences,
    count_near,
    find_branches,
)


def session(network: pl.Network) -> BranchSession:
    return BranchSession(
        network,
        state=initial_state(network, seed=1, dtype="float64"),
        loss=pl.MeanSquaredError(),
        optimizer=None,
        dtype="float64",
    )


@pytest.mark.parametrize("batch", [3, 40])  # the second is taken in parts
def test_a_session_s_own_corners_change_nothing(batch: int) -> None:
    network = pl.Sequential(
        pl.Input(9, 9, 2),
        pl.Conv2D(3, kernel_size=3, activation="relu"),
        pl.MaxPool2D(3, stride=2, padding=1),
        pl.LeakyReLU(0.2),
        pl.Flatten(),
        pl.Dense(2),
    )
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((batch, 9, 9, 2)), np.ones((batch, 2))
    one = session(network)
    _, plain = one.gradients(images, labels)
    one.branches = find_branches(network, one.activations(images, training=True))
    _, given = one.gradients(images, labels)
    for name, grad in plain.items():
        np.testing.assert_array_equal(given[name], grad)


def choosing() -> pl.Network:
    """Every layer whose gradient goes to one of several candidates; and slopes."""
    entry = pl.Input(6, 5, 2)
    x = pl.PReLU()(pl.Conv2D(3, kernel_size=2)(entry))
    y = pl.Maximum()(x, pl.Conv2D(3, kernel_size=2)(entry), pl.AvgPool2D((5, 4))(x))
    z = pl.MaxPool1D(3, 2, padding=1)(pl.Reshape((-1, 3))(y))
    joined = pl.Concat()(pl.GlobalMaxPool2D()(y), pl.Flatten()(z))
    return pl.Network(inputs=entry, outputs=pl.Dense(2)(joined))


def test_choices_of_their_own_change_nothing_and_others_do() -> None:
    network = choosing()
    random = np.random.default_rng(0)
    images, labels = random.standard_normal((3, 6, 5, 2)), np.ones((3, 2))
    one = session(network)
    _, plain = one.gradients(images, labels)
    one.branches = find_branches(network, one.activations(images, training=True))
    assert set(one.branches) == {
        "prelu",
        "maximum",
        "max_pool1d",
        "global_max_pool2d",
    }
    _, given = one.gradients(images, labels)
    for name, grad in plain.items():
        np.testing.assert_allclose(given[name], grad, rtol=1e-12, atol=1e-15)
    for name, sides in one.branches.items():
        kept = one.branches
        other = ~sides if sides.dtype == bool else (sides + 1) % 3
        one.branches = {**kept, name: other.astype(sides.dtype)}
        _, changed = one.gradients(images, labels)
        one.branches = kept
        assert any(not np.allclose(changed[n], g) for n, g in plain.items()), name


def test_near_ties_of_choices_are_counted() -> None:
    first, second = pl.Input(3), pl.Input(3)
    network = pl.Network(inputs=[first, second], outputs=pl.Maximum()(first, second))
    x = np.array([[1.0, 2.0, 3.0]])
    values = {"input": x, "input_1": x + np.array([[1e-7, 0.0, 1.0]])}
    assert count_near(network, values) == (0, 1)
    slopes = pl.Sequential(pl.Input(2), pl.PReLU())
    assert count_near(slopes, {"input": np.array([[1e-7, 1.0]])}) == (1, 0)


def test_a_corner_on_the_other_side_has_the_other_derivative() -> None:
    network = pl.Sequential(pl.Input(1), pl.Dense(1), pl.ReLU(), pl.Dense(1))
    one = session(network)
    images, labels = np.array([[1.0]]), np.array([[9.0]])
    corners = find_branches(network, one.activations(images))
    flipped = {name: ~side for name, side in corners.items()}
    assert count_differences(corners, flipped) == 1
    found = []
    for one.branches in (corners, flipped):
        found.append(one.gradients(images, labels)[1]["dense.weight"].item())
    assert found.count(0.0) == 1


def test_near_ties_and_kinks_are_counted_and_exact_ties_are_not() -> None:
    network = pl.Sequential(pl.Input(1, 6, 1), pl.MaxPool2D((1, 2)), pl.ReLU())
    x = np.array([1.0, 1.0 + 1e-7, 2.0, 2.0, 5e-7, -3.0]).reshape(1, 1, 6, 1)
    values = session_values(network, x)
    assert count_near(network, values) == (1, 1)


def session_values(network: pl.Network, x: np.ndarray) -> dict[str, np.ndarray]:
    return BranchSession(
        network, state={}, loss=None, optimizer=None, dtype="float64"
    ).activations(x)
