"""Reports and explanations of every kind of output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain

RNG = np.random.default_rng(0)
X = RNG.random((40, 6, 6, 1)).astype(np.float32)
TRUTH = RNG.integers(0, 2, (40, 3))


def model(
    *layers: Any, loss: str | None = None, classes: tuple[str, ...] = ()
) -> pl.Model:
    network = pl.Sequential(pl.Input(6, 6, 1), *layers)
    return pl.Model(network, engine="numpy", loss=loss, classes=classes)


def binary(loss: str | None = "binary_cross_entropy", end: Any = "sigmoid") -> pl.Model:
    layers = (pl.Flatten(), pl.Dense(1, activation=end))
    return model(*layers, loss=loss, classes=("ham", "spam"))


# -- assessment ------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, "sigmoid"])
@pytest.mark.parametrize("form", [np.int64, np.float32, bool])
def test_one_output_has_a_confusion_matrix_of_two_classes(end: Any, form: Any) -> None:
    found, truth = binary(end=end), TRUTH[:, 0]
    output = found.predict(X)[:, 0]
    p = output if end else 1 / (1 + np.exp(-output.astype(np.float64)))
    shown = explain.assess(found, pl.Dataset(X, truth.astype(form)), batch_size=16)
    said = p > 0.5
    expected = [
        [int(((truth == t) & (said == s)).sum()) for s in (0, 1)] for t in (0, 1)
    ]
    assert shown.confusion.tolist() == expected
    assert shown.classes == ("ham", "spam")
    assert shown.metrics["accuracy"] == np.trace(expected) / 40
    assert {m.index for m in shown.mistakes} == set(np.flatnonzero(said != truth))
    for mistake in shown.mistakes:
        sure = max(p[mistake.index], 1 - p[mistake.index])
        assert mistake.probability == pytest.approx(sure, rel=1e-5)
        assert mistake.predicted == said[mistake.index] != mistake.label
    surest = [m.probability for m in shown.mistakes]
    assert surest == sorted(surest, reverse=True)


def test_one_hot_labels_have_a_confusion_matrix() -> None:
    found = model(pl.Flatten(), pl.Dense(2), loss="cross_entropy")
    indices = pl.Dataset(X, TRUTH[:, 0])
    one_hot = pl.Dataset(X, np.eye(2)[TRUTH[:, 0]])
    first, second = (explain.assess(found, data) for data in (indices, one_hot))
    assert first.confusion.tolist() == second.confusion.tolist()
    assert first.mistakes == second.mistakes


def test_each_of_several_labels_has_counts_of_its_own() -> None:
    layers = (pl.Flatten(), pl.Dense(3, activation="sigmoid"))
    found = model(*layers, loss="binary_cross_entropy", classes=("a", "b", "c"))
    said = found.predict(X) > 0.5
    shown = explain.assess(found, pl.Dataset(X, TRUTH.astype(np.float32)))
    assert shown.confusion.shape == (3, 2, 2)
    np.testing.assert_array_equal(
        shown.confusion[:, 1, 1], (said & (TRUTH == 1)).sum(0)
    )
    np.testing.assert_array_equal(shown.class_accuracy, (said == TRUTH).mean(0))
    assert shown.metrics["accuracy"] == pytest.approx((said == TRUTH).mean())
    assert len(shown.mistakes) == (said != TRUTH).sum()
    first = shown.mistakes[0]
    assert first.of_label is not None
    name = "abc"[first.of_label]
    says = {0: f"not {name}", 1: name}
    assert first.words(shown.classes) == (says[first.label], says[first.predicted])
    assert shown.to_json()["mistakes"][0]["of_label"] == first.of_label
    assert explain.mistakes_picture(shown, pl.Dataset(X, TRUTH)) is not None


@pytest.mark.parametrize(("units", "loss"), [(1, "binary_cross_entropy"), (2, None)])
def test_masks_are_counted_by_pixels(units: int, loss: str | None) -> None:
    found = model(pl.Conv2D(units, 3, padding=1), loss=loss)
    truth = RNG.integers(0, 2, (40, 6, 6))
    said = found.output_meaning.predict(found.predict(X))
    shown = explain.assess(found, pl.Dataset(X, truth), batch_size=7)
    assert shown.counted == "pixels"
    assert shown.confusion.sum() == truth.size
    assert np.trace(shown.confusion) == (said == truth).sum()
    assert shown.metrics["accuracy"] == pytest.approx((said == truth).mean())
    assert shown.mistakes == ()


def test_labels_that_do_not_fit_are_refused_also_without_a_loss() -> None:
    found = model(pl.Flatten(), pl.Dense(2))
    with pytest.raises(pl.DataError, match="classes must be from 0 to 1"):
        explain.assess(found, pl.Dataset(X, TRUTH[:, 0] + 1))
    with pytest.raises(pl.DataError, match="classes must be from 0 to 1"):
        found.evaluate((X, TRUTH[:, 0] + 1))


# -- derivatives -----------------------------------------------------------------


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize(
    ("end", "loss"),
    [
        (None, "binary_cross_entropy"),
        ("sigmoid", "binary_cross_entropy"),
        ("sigmoid", None),
    ],
)
def test_one_output_is_differentiated_with_either_label(
    label: int, end: Any, loss: str | None
) -> None:
    found = binary(loss, end)
    p = float(found.output_meaning.probabilities(found.predict(X[:1]))[0, 1])
    shown = explain.derivative(found, X[0], "dense", (0,), label=label)
    assert shown.of == f"binary_cross_entropy with label {label}"
    assert shown.reaches == pytest.approx(p - label, rel=1e-5)
    assert shown.of_value == pytest.approx(-np.log(p if label else 1 - p), rel=1e-5)


def test_either_class_of_one_output_can_be_explained() -> None:
    found = binary()
    p = float(found.predict(X[:1])[0, 0])
    one, zero, default = (
        explain.derivative(found, X[0], "dense", (0,), of_class=k) for k in (1, 0, None)
    )
    assert one == default
    assert (one.of, zero.of) == ("output 0 (spam)", "1 − output 0 (ham)")
    assert (one.of_value, zero.of_value) == pytest.approx((p, 1 - p))
    assert one.reaches == -zero.reaches == pytest.approx(p * (1 - p), rel=1e-5)
    with pytest.raises(pl.NetworkError, match="class must be from 0 to 1; got 2"):
        explain.derivative(found, X[0], "dense", (0,), label=2)


def test_a_label_of_a_squared_error_is_one_hot_or_a_value() -> None:
    two = model(pl.Flatten(), pl.Dense(2, activation="softmax"), loss="mse")
    output = two.predict(X[:1])[0]
    shown = explain.derivative(two, X[0], "dense_softmax", (1,), label=1)
    assert shown.reaches == pytest.approx(output[1] - 1, rel=1e-5)
    value = model(pl.Flatten(), pl.Dense(1), loss="mse")
    shown = explain.derivative(value, X[0], "dense", (0,), label=3)
    assert shown.reaches == pytest.approx(
        2 * (value.predict(X[:1])[0, 0] - 3), rel=1e-5
    )
    several = model(pl.Flatten(), pl.Dense(2), loss="mse")
    with pytest.raises(pl.NetworkError, match="got label 1 for 2 values"):
        explain.derivative(several, X[0], "dense", label=1)


def test_what_covering_does_is_opposite_for_the_two_classes() -> None:
    found = binary()
    ham, spam = (explain.occlusion(found, X[0], k).values for k in (0, 1))
    np.testing.assert_allclose(ham, -spam, atol=1e-6)
    assert explain.saliency(found, X[0]).of_class == 1


@pytest.mark.parametrize(
    ("layers", "loss", "title"),
    [
        ((pl.Flatten(), pl.Dense(1, activation="sigmoid")), None, "probability"),
        ((pl.Flatten(), pl.Dense(3, activation="sigmoid")), None, "probability"),
        ((pl.Flatten(), pl.Dense(2)), "mse", "output"),
        ((pl.Conv2D(3, 3, padding=1),), "cross_entropy", "output of each pixel"),
        ((pl.Conv2D(2, 3, padding=1),), "mse", "output of each pixel"),
    ],
)
def test_every_kind_of_output_can_be_drawn(layers: Any, loss: Any, title: str) -> None:
    figure = explain.picture(model(*layers, loss=loss), X[0])
    assert title in figure.subfigs[0].axes[-1].get_title()
