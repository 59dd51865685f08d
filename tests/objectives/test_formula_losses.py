"""Losses that are formulas: values by hand, gradients by differences, labels, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracles.differences import central, relative_error

import pellucid as pl
from pellucid.objectives import Loss, check_labels, loss_from_json, reshape_labels

RANDOM = np.random.default_rng(0)
Z = RANDOM.standard_normal((3, 2, 2, 6))
BINARY = RANDOM.integers(0, 2, Z.shape)
CLASSES = RANDOM.integers(0, 6, (3, 2, 2))
SHARES = RANDOM.dirichlet(np.ones(6), (3, 2, 2))
WEIGHT = np.array([1.0, 2.0, 0.5])
HOLES = CLASSES.copy()
HOLES[0, 0], HOLES[2] = 255, 255
SPOTS = BINARY.copy()
SPOTS[1, 1] = 9
BOXES = np.concatenate([RANDOM.random((3, 2, 2, 4)), BINARY[..., :1], Z[..., :1]], -1)


def product(output: Any, target: Any) -> Any:
    """Channels, both reductions, and an operator of every kind of corner."""
    m = pl.math
    inner = m.maximum(output[..., :3] * target[..., 3:], m.clip(output[..., 2], -1, 1))
    share = inner / (1 + m.sum(output[..., 1] ** 2, "positions"))
    held = m.minimum(m.abs(output[..., -1]), output[..., 0])
    return share + m.mean(m.softmax(output) * output, "channels") * held


CASES: list[tuple[Loss, Any, Any]] = [
    (pl.Huber(0.7), Z, BINARY),
    (pl.Focal(), Z, BINARY),
    (pl.Focal(1.5, 0.25), Z, BINARY),
    (pl.Focal(activation="softmax"), Z, CLASSES),
    (pl.Dice(), Z, BINARY),
    (pl.Dice(activation="softmax"), Z, CLASSES),
    (pl.KLDivergence(2.0), Z, SHARES),
    (pl.KLDivergence(), Z, CLASSES),
    (pl.Triplet(), Z, np.zeros(3)),
    (pl.Yolo(), Z, BOXES),
    (0.3 * pl.CrossEntropy(0.1) + pl.Dice(activation="softmax"), Z, CLASSES),
    (pl.BinaryCrossEntropy(0.1) + pl.Dice() * 2, Z, BINARY),
    (pl.Masked(pl.CrossEntropy(), 255), Z, HOLES),
    (pl.Masked(pl.Dice(activation="softmax"), 255), Z, HOLES),
    (pl.Masked(pl.MeanSquaredError(), 9), Z, SPOTS),
    (pl.TracedLoss(product), Z, BINARY),
]


@pytest.mark.parametrize(("loss", "z", "labels"), CASES, ids=lambda v: type(v).__name__)
def test_gradients_equal_central_differences_and_files_hold_the_formula(
    loss: Loss, z: Any, labels: Any
) -> None:
    at = z.copy()
    _, grad = loss.value_and_grad(at, labels, WEIGHT)
    numeric = central(lambda z: loss.value_and_grad(z, labels, WEIGHT)[0], at)
    assert relative_error(grad, numeric) < 1e-7
    again = loss_from_json(loss.to_json())
    assert again.value_and_grad(at, labels)[0] == loss.value_and_grad(at, labels)[0]


def test_built_in_losses_and_their_formulas_are_one() -> None:
    for loss, labels in (
        (pl.CrossEntropy(0.1), CLASSES),
        (pl.CrossEntropy(), SHARES),
        (pl.BinaryCrossEntropy(0.2), BINARY),
        (pl.MeanSquaredError(), BINARY),
    ):
        value, grad = (1.0 * loss).value_and_grad(Z, labels, WEIGHT)
        wanted, wanted_grad = loss.value_and_grad(Z, labels, WEIGHT)
        assert value == pytest.approx(wanted, rel=1e-13)
        np.testing.assert_allclose(grad, wanted_grad, rtol=1e-11, atol=1e-15)


def test_parts_of_a_batch_add_up_and_losses_do() -> None:
    loss = sum([pl.BinaryCrossEntropy(), 0.5 * pl.Dice(), pl.Focal()])
    assert isinstance(loss, pl.WeightedSum)
    assert [weight for _, weight in loss.terms] == [1.0, 0.5, 1.0]
    whole, grad = loss.value_and_grad(Z, BINARY, WEIGHT)
    parts = [
        loss.value_and_grad(Z[few], BINARY[few], WEIGHT[few], total=WEIGHT.sum())
        for few in (slice(0, 2), slice(2, 3))
    ]
    assert sum(part[0] for part in parts) == pytest.approx(whole)
    np.testing.assert_allclose(np.concatenate([p[1] for p in parts]), grad)


def value(loss: Loss, z: Any, labels: Any) -> float:
    return loss.value_and_grad(np.asarray(z, float), np.asarray(labels))[0]


def test_values_by_hand() -> None:
    error = np.array([[0.5, -3.0]])
    assert value(pl.Huber(), error, [[0, 0]]) == pytest.approx((0.125 + 2.5) / 2)
    p = 1 / (1 + np.exp(-0.3))
    focal = value(pl.Focal(2.0, 0.25), [[0.3]], [[1]])
    assert focal == pytest.approx(-0.25 * (1 - p) ** 2 * np.log(p))
    focal = value(pl.Focal(2.0, 0.25), [[0.3]], [[0]])
    assert focal == pytest.approx(-0.75 * p**2 * np.log(1 - p))
    mask = np.array([1, 1, 0, 0]).reshape(1, 2, 2, 1)
    sure = np.where(mask, 50.0, -50.0)
    assert value(pl.Dice(), sure, mask) == pytest.approx(0.0, abs=1e-9)
    assert value(pl.Dice(smooth=0.0), -sure, mask) == pytest.approx(1.0)
    assert value(pl.Dice(), 0 * sure - 50, 0 * mask) == pytest.approx(0.0, abs=1e-9)
    t = np.array([[0.2, 0.8]])
    assert value(pl.KLDivergence(), np.log(t) + 3, t) == pytest.approx(0.0, abs=1e-12)
    assert value(pl.KLDivergence(), [[0.0, 0.0]], [1]) == pytest.approx(np.log(2))
    assert value(pl.Triplet(0.2), [[0, 0, 1, 0, 0, 2]], [0]) == 0.0
    assert value(pl.Triplet(0.2), [[0, 0, 1, 0, 0, 1]], [0]) == pytest.approx(0.2)
    boxes = np.array([[[0.5, 0, 0, 0, 0.0, 7.0], [9, 9, 9, 9, 0.0, 7.0]]])
    labels = np.array([[[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0.0]]])
    expected = 5 * 0.25 + np.log(2) + 0.5 * np.log(2)
    assert value(pl.Yolo(), boxes, labels) == pytest.approx(expected)


def test_a_stopped_gradient_is_a_constant_s() -> None:
    loss = pl.TracedLoss(lambda o, t: pl.math.stop_gradient(o) * o)
    found, grad = loss.value_and_grad(Z, BINARY)
    assert found == pytest.approx((Z * Z).mean())
    np.testing.assert_allclose(grad, Z / Z.size)


def test_what_is_ignored_counts_nowhere() -> None:
    masked = pl.Masked(pl.CrossEntropy(), ignore=255)
    each, grad = masked.value_and_grad(Z[:1], HOLES[:1])
    left = pl.CrossEntropy().value_and_grad(Z[:1, 1:], HOLES[:1, 1:])
    assert each == pytest.approx(left[0])
    np.testing.assert_allclose(grad[:, 1:], left[1])
    assert not grad[:, 0].any()
    nothing, grad = masked.value_and_grad(Z[2:], HOLES[2:])
    assert nothing == 0.0
    assert not grad.any()


def test_large_logits_do_not_overflow() -> None:
    z = np.array([[800.0, -800.0]])
    for loss, labels in (
        (pl.Focal(), np.array([[0, 1]])),
        (pl.Focal(activation="softmax"), np.array([1])),
        (pl.KLDivergence(), np.array([1])),
        (pl.Dice(), np.array([[0, 1]])),
    ):
        found, grad = loss.value_and_grad(z, labels)
        assert np.isfinite(found), loss
        assert np.isfinite(grad).all(), loss


def test_labels_that_do_not_fit_are_named() -> None:
    focal = pl.Focal(activation="softmax")
    with pytest.raises(pl.DataError, match="focal: labels must be from 0 to 5; got"):
        check_labels(focal, HOLES, Z.shape)
    masked = pl.Masked(pl.CrossEntropy(), 255)
    assert reshape_labels(masked, HOLES[..., None], Z.shape).shape == HOLES.shape
    with pytest.raises(pl.DataError, match=r"huber: labels must have shape \(3, 2, 2"):
        check_labels(pl.Huber(), CLASSES, Z.shape)
    with pytest.raises(pl.DataError, match="triplet: labels must be 3, one for each"):
        check_labels(pl.Triplet(), np.zeros(4), Z.shape)
    own = pl.TracedLoss(lambda o, t: o[..., 0] * t[..., 1], labels=2)
    with pytest.raises(pl.DataError, match=r"own: labels must have shape \(3, 2, 2, 2"):
        check_labels(own, BINARY, Z.shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pl.TracedLoss(lambda o, t: np.exp(o)), "pl.math alone"),
        (lambda: pl.TracedLoss(lambda o, t: np.mean(o - t)), "not np.sum"),
        (lambda: pl.TracedLoss(lambda o, t: np.where(o > t, o, t)), "not np.sum"),
        (lambda: pl.TracedLoss(lambda o, t: max(o, t)), "where\\(condition, a, b"),
        (lambda: pl.TracedLoss(lambda o, t: o[0]), "taken as x\\[..., k\\]"),
        (lambda: pl.TracedLoss(lambda o, t: 1.0), "must return an expression"),
        (lambda: pl.TracedLoss(product, labels=0), "labels must be 'output'"),
        (lambda: pl.TracedLoss(product, title="mse"), "name of another loss"),
        (lambda: pl.TracedLoss(product, logits_of="ReLU"), "logits_of must be"),
        (lambda: pl.Elementwise(lambda x: pl.math.sum(x)), "one of each element"),
        (lambda: pl.Dice() + pl.Huber(), "must have the same absorbs"),
        (lambda: pl.HalfSquaredErrorSum() * 2, "must have a formula"),
        (lambda: pl.Dice() * -1, "weight must be a finite number"),
        (lambda: pl.Masked(pl.Triplet(), 0), "one kind of label"),
        (lambda: pl.Huber(0), "delta must be above 0"),
        (lambda: pl.Focal(alpha=2), "alpha must be at most 1"),
        (lambda: pl.Dice(activation="tanh"), "activation must be"),
        (lambda: pl.NumpyLoss(lambda o, t: o, lambda o, t: o), "title must be a name"),
        (lambda: pl.math.sum(product(*_variables()), "rows"), "must be over all"),
        (lambda: pl.math.split(_variables()[0], 0), "1 part or more"),
    ],
)
def test_what_is_no_loss_is_refused_by_one_sentence(make: Any, message: str) -> None:
    with pytest.raises(pl.NetworkError, match=message):
        make()


def _variables() -> tuple[Any, Any]:
    from pellucid.network.expression import variable

    return variable("output"), variable("target")


def test_channels_that_do_not_exist_are_named_with_the_loss() -> None:
    message = r"loss 'own': channels \[..., 4\] must be among the 3 there are"
    with pytest.raises(pl.NetworkError, match=message):
        pl.TracedLoss(lambda o, t: o[..., 4]).program((3,))
    net = pl.Sequential(pl.Input(2), pl.Dense(4))
    with pytest.raises(pl.NetworkError, match="multiple of 3 to be split"):
        pl.Model(net, engine="numpy", loss="triplet")
    with pytest.raises(pl.NetworkError, match="equally many, or one; got 2 and 3"):
        pl.TracedLoss(lambda o, t: o[..., :2] * t).program((3,))


@pytest.mark.parametrize(
    "document",
    [
        {
            "name": "traced",
            "title": "a",
            "labels": "output",
            "expression": [["sum", 0]],
        },
        {"name": "traced", "title": 3, "labels": "output", "expression": []},
        {"name": "masked", "loss": {"name": "dice"}},
        {"name": "weighted_sum", "terms": {"loss": 1}},
        {"name": "weighted_sum", "terms": [{"loss": {"name": "numpy"}, "weight": 1}]},
        {"name": "numpy"},
        {"name": "huber", "width": 1},
    ],
)
def test_a_damaged_file_s_loss_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(pl.NetworkError):
        loss_from_json(document)


def test_losses_are_measured_beside_the_one_that_is_trained_on() -> None:
    x, y = np.random.default_rng(0).random((9, 4)), np.arange(9) % 3
    for activation in (None, "softmax"):
        network = pl.Sequential(pl.Input(4), pl.Dense(3, activation=activation))
        loss = pl.Focal(activation="softmax")
        model = pl.Model(network, engine="numpy", loss=loss, optimizer="sgd")
        found = model.evaluate((x, y), metrics=[loss, pl.CrossEntropy(), "accuracy"])
        assert found["focal_loss"] == pytest.approx(found["loss"], rel=1e-5)
        assert found["cross_entropy_loss"] > found["focal_loss"]
    history = model.fit((x, y), epochs=1, metrics=loss, progress=False)
    assert history["focal_loss"][0] > 0
    masks = pl.Sequential(pl.Input(2, 2, 1), pl.Conv2D(1, 1, activation="sigmoid"))
    model = pl.Model(masks, engine="numpy", loss="dice")
    images, labels = x.reshape(9, 2, 2, 1), x.reshape(9, 2, 2, 1) > 0.5
    found = model.evaluate((images, labels), metrics=pl.Dice())
    assert found["dice_loss"] == pytest.approx(found["loss"], rel=1e-5)
    with pytest.raises(pl.NetworkError, match="must have a formula"):
        model.evaluate((images, labels), metrics=pl.HalfSquaredErrorSum())


def test_a_negative_class_cannot_be_ignored() -> None:
    with pytest.raises(pl.NetworkError, match="ignore must be at least 0 where labels"):
        pl.Masked(pl.CrossEntropy(), ignore=-100)
