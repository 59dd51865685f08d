"""Sides that an engine took and did not show are found; what is wrong stays wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.engines.state import initial_state
from pellucid.verify.choices import find_best_two
from pellucid.verify.lockstep import Batch, Outcome, Reference
from pellucid.verify.nonsmooth import (
    BranchSession,
    count_differences,
    find_branches,
)
from pellucid.verify.unobserved_branches import (
    find_unobserved_branches,
    flip_branches,
    list_flips,
    select_jumps,
)

NEAR = 4e-7


def network() -> pl.Network:
    return pl.Sequential(
        pl.Input(4, 4, 1),
        pl.Conv2D(2, kernel_size=1, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(3),
    )


def reference() -> tuple[Reference, BranchSession, dict[str, Any], Batch]:
    """A batch with inputs of the ReLU and of the pool within rounding of a corner."""
    net, adam = network(), pl.Adam(1e-3)
    state = initial_state(net, seed=1, dtype="float64")
    state["weights/conv2d.weight"] = np.array([[[[1.0, -1.0]]]])
    random = np.random.default_rng(0)
    images = random.uniform(0.5, 1.5, (6, 4, 4, 1))
    images[0, :2, :2, 0] = [[NEAR, -1], [-1, -1]]  # the first filter's ReLU
    images[1, :2, :2, 0] = [[2.0, 2.0 - NEAR], [1, 1]]  # the first filter's pool
    batch = Batch(images, np.arange(6) % 3, 1e-3)
    parts = {"state": state, "loss": pl.CrossEntropy(), "optimizer": adam}
    exact, other = (BranchSession(net, **parts, dtype="float64") for _ in range(2))
    return Reference(net, exact, adam, state, batch), other, state, batch


def outcome_on_other_sides(
    truth: Reference, other: BranchSession, state: Any, batch: Batch
) -> Outcome:
    """What an engine gives that shows one side and differentiates on the other."""
    values = truth.outcome.activations
    shown = find_branches(network(), values)
    flips = list_flips(network(), values, shown, {})
    assert sorted({flip.node for flip in flips}) == ["conv2d_relu", "max_pool2d"]
    other.load_state(state)
    other.branches = flip_branches(shown, [f for f in flips if f.place[0] in (0, 1)])
    _, gradients = other.gradients(batch.images, batch.labels)
    return Outcome(values, gradients, truth.outcome.weights)


def largest(residual: Any) -> float:
    return max(np.abs(array).max() for array in residual.tensors["gradients"].values())


def test_hidden_sides_are_found_by_the_jumps_of_the_derivatives() -> None:
    truth, other, state, batch = reference()
    outcome = outcome_on_other_sides(truth, other, state, batch)
    shown = truth.residual(outcome)
    found = truth.on_unobserved_branches(outcome, shown)
    assert largest(shown) > 1e-3
    assert largest(found) < 1e-12
    assert shown.crossed == 0
    assert found.crossed == 2


def test_the_side_that_was_taken_is_found_among_hundreds_that_are_open() -> None:
    net = pl.Sequential(pl.Input(20), pl.Dense(40, activation="relu"), pl.Dense(3))
    state = initial_state(net, seed=1, dtype="float64")
    parts = {"state": state, "loss": pl.CrossEntropy(), "optimizer": pl.Adam(1e-3)}
    exact = BranchSession(net, **parts, dtype="float64")
    images, labels = np.random.default_rng(0).normal(size=(6, 20)), np.arange(6) % 3
    values, rounding = exact.activations(images), {"dense": 9.0}
    shown = find_branches(net, values)
    flips = list_flips(net, values, shown, rounding)
    assert len(flips) == 6 * 40
    taken = flip_branches(shown, [flips[7], flips[-1]])

    def gradients_on(corners: Any) -> Any:
        exact.branches = corners
        return exact.gradients(images, labels)[1]

    engine = gradients_on(taken)
    found = find_unobserved_branches(
        net, values, shown, gradients_on, engine, rounding=rounding
    )
    assert count_differences(found, taken) == 0
    assert count_differences(found, shown) == 2


@pytest.mark.parametrize("taken", [[3], [0, 11], [], [2, 5, 7]])
def test_jumps_in_one_direction_are_told_apart_by_their_lengths(
    taken: list[int],
) -> None:
    random = np.random.default_rng(0)
    lengths = 3.0 ** np.arange(12) * random.choice([-1, 1], 12)
    jumps = np.outer(random.normal(size=40), lengths)
    noise = 1e-7 * random.normal(size=40)
    found = select_jumps(jumps, jumps[:, taken].sum(1) + noise)
    assert np.flatnonzero(found).tolist() == taken


def test_jumps_in_many_directions_are_told_apart() -> None:
    random = np.random.default_rng(0)
    jumps, taken = random.normal(size=(400, 300)), random.random(300) < 0.4
    np.testing.assert_array_equal(select_jumps(jumps, jumps @ taken), taken)


def test_what_rounding_reaches_is_near_a_corner() -> None:
    truth, _, _, _ = reference()
    values = truth.outcome.activations
    shown = find_branches(network(), values)
    few, more = (
        list_flips(network(), values, shown, rounding)
        for rounding in ({}, {"conv2d": 0.6})
    )
    assert len(few) < len(more)
    assert [flip.distance for flip in more] == sorted(f.distance for f in more)


def test_a_wrong_derivative_is_explained_by_no_corner() -> None:
    truth, _, _, _ = reference()
    gradients = {name: 1.01 * grad for name, grad in truth.outcome.gradients.items()}
    outcome = Outcome(truth.outcome.activations, gradients, truth.outcome.weights)
    shown = truth.residual(outcome)
    assert largest(truth.on_unobserved_branches(outcome, shown)) > 0.5 * largest(shown)


def test_what_is_no_number_is_left_as_it_is() -> None:
    truth, _, _, _ = reference()
    gradients = {name: np.nan * grad for name, grad in truth.outcome.gradients.items()}
    outcome = Outcome(truth.outcome.activations, gradients, truth.outcome.weights)
    shown = truth.residual(outcome)
    assert truth.on_unobserved_branches(outcome, shown) is shown


@pytest.mark.parametrize("seed", range(4))
def test_the_best_two_cells_of_a_window_are_those_that_sorting_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(0, 4, (3, 6, 6, 2)).astype(float)  # many are equal
    gap, first, second = find_best_two(pl.MaxPool2D(3), x)
    windows = x.reshape(3, 2, 3, 2, 3, 2).transpose(0, 1, 3, 5, 2, 4)
    cells = windows.reshape(3, 2, 2, 2, 9)
    order = np.argsort(-cells, axis=-1, kind="stable")
    top = np.take_along_axis(cells, order, -1)
    np.testing.assert_array_equal(gap, top[..., 0] - top[..., 1])
    np.testing.assert_array_equal(first, order[..., 0])
    np.testing.assert_array_equal(second, order[..., 1])
