"""Losses: values by hand, derivatives by differences, labels that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.differences import central, relative_error

import pellucid as pl
from pellucid.objectives import Loss, as_loss, check_labels, loss_from_json

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.standard_normal((4, 3))
CLASSES = np.array([0, 2, 1, 2])
SOFT = RANDOM.dirichlet(np.ones(3), 4)
WEIGHT = np.array([1.0, 2.0, 0.0, 0.5])
CASES: list[tuple[Loss, Any, Any]] = [
    (pl.CrossEntropy(), LOGITS, CLASSES),
    (pl.CrossEntropy(label_smoothing=0.1), LOGITS, CLASSES),
    (pl.CrossEntropy(), LOGITS, SOFT),
    (pl.CrossEntropy(), RANDOM.standard_normal((4, 2, 5, 3)), np.ones((4, 2, 5), int)),
    (pl.BinaryCrossEntropy(), LOGITS, SOFT),
    (pl.BinaryCrossEntropy(label_smoothing=0.2), LOGITS, SOFT),
    (pl.MeanSquaredError(), LOGITS, SOFT),
    (pl.HalfSquaredErrorSum(), LOGITS, SOFT),
]


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
@pytest.mark.parametrize(("loss", "z", "labels"), CASES, ids=lambda v: repr(v)[:30])
def test_derivatives_equal_central_differences(
    loss: Loss, z: Any, labels: Any, weight: Any
) -> None:
    z = z.copy()
    _, grad = loss.value_and_grad(z, labels, weight)
    numeric = central(lambda at: loss.value_and_grad(at, labels, weight)[0], z)
    assert relative_error(grad, numeric) < 1e-7


def test_cross_entropy_is_the_mean_of_minus_log_probability() -> None:
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    each = -np.log(p[np.arange(4), CLASSES])
    value, _ = pl.CrossEntropy().value_and_grad(LOGITS, CLASSES)
    assert value == pytest.approx(each.mean())
    weighted, _ = pl.CrossEntropy().value_and_grad(LOGITS, CLASSES, WEIGHT)
    assert weighted == pytest.approx((each * WEIGHT).sum() / WEIGHT.sum())


def test_cross_entropy_stays_exact_where_probabilities_vanish() -> None:
    z = np.array([[40.0, 0.0]], np.float32)
    value, _ = pl.CrossEntropy().value_and_grad(z, np.array([1]))
    assert value == pytest.approx(40.0)  # not 16.118, where clipped losses end


def test_binary_cross_entropy_does_not_overflow() -> None:
    z = np.array([[1000.0], [-1000.0]])
    value, grad = pl.BinaryCrossEntropy().value_and_grad(z, np.array([[0.0], [1.0]]))
    assert value == 1000.0
    assert np.isfinite(grad).all()


def test_half_squared_error_is_a_sum() -> None:
    value, grad = pl.HalfSquaredErrorSum().value_and_grad(LOGITS, SOFT)
    assert value == pytest.approx(0.5 * ((LOGITS - SOFT) ** 2).sum())
    np.testing.assert_allclose(grad, LOGITS - SOFT)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1]), r"labels must have shape \(4,\) \(classes\) or \(4, 3\)"),
        (np.array([0, 1, 2, 3]), "labels must be from 0 to 2; got labels from 0 to 3"),
        (np.array([0, 1, 2, -1]), "labels must be from 0 to 2; got labels from -1"),
        (np.array([0.0, 1, 2, 2]), "labels of classes must be integers"),
        (np.full((4, 3), np.nan), "labels must be finite"),
        (np.full((4, 3), 1.0), "sum to at most 1; got a sum of 3. Where several"),
        (np.full((4, 3), -0.1), "classes must be at least 0; got -0.1"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels: Any, message: str) -> None:
    with pytest.raises(pl.DataError, match=message):
        check_labels(pl.CrossEntropy(), labels, (4, 3))


def test_labels_of_regression_have_the_output_s_shape() -> None:
    with pytest.raises(pl.DataError, match=r"mse: labels must have shape \(4, 3\)"):
        check_labels(pl.MeanSquaredError(), np.zeros((4, 2)), (4, 3))
    check_labels(pl.MeanSquaredError(), np.zeros(4), (4, 1))


def test_names_and_json_lead_to_the_loss() -> None:
    assert as_loss("cross_entropy") == pl.CrossEntropy()
    smooth = pl.CrossEntropy(label_smoothing=0.1)
    assert loss_from_json(smooth.to_json()) == smooth
    with pytest.raises(pl.NetworkError, match="loss: must be one of cross_entropy"):
        as_loss("hinge")
    with pytest.raises(pl.NetworkError, match="label_smoothing must be at least 0"):
        pl.CrossEntropy(label_smoothing=1.0)
