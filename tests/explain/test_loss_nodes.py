"""Softmax and loss as nodes of the arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain, objectives
from pellucid.explain.layers.sums import show_share

STEP = 1e-6


def model_of(end: Any, loss: Any) -> pl.Model:
    image = pl.Input(5)
    network = pl.Network(
        inputs=image, outputs=end(pl.Dense(4, activation="tanh")(image))
    )
    return pl.Model(network, engine="numpy", loss=loss, dtype="float64", seed=2)


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max())
    return e / e.sum()


X = np.random.default_rng(3).standard_normal(5)
LOSSES: dict[str, tuple[Any, Any, int]] = {
    "logits": (pl.Dense(3), "cross_entropy", 2),
    "no loss given": (pl.Dense(3), None, 2),
    "softmax": (pl.Dense(3, activation="softmax"), "cross_entropy", 2),
    "smoothed": (pl.Dense(3), objectives.CrossEntropy(label_smoothing=0.1), 0),
    "logit": (pl.Dense(1), "binary_cross_entropy", 1),
    "sigmoid": (pl.Dense(1, activation="sigmoid"), "binary_cross_entropy", 0),
    "labels": (pl.Dense(3), "binary_cross_entropy", 1),
    "mse": (pl.Dense(1), "mse", 3),
    "half sum": (pl.Dense(1), "half_squared_error_sum", 1),
}


@pytest.mark.parametrize("case", LOSSES)
def test_the_loss_adds_up_and_its_slopes_are_differences(case: str) -> None:
    end, loss, label = LOSSES[case]
    model = model_of(end, loss)
    shown = explain.arithmetic(model, X, "loss", label=label)
    assert shown.value == pytest.approx(shown.activation, rel=1e-9)
    assert sum(term.value for term in shown.terms) == pytest.approx(shown.value)
    found = explain.derivative(model, X, "loss", label=label)
    assert found.reaches == 1
    assert found.of_value == pytest.approx(shown.value, rel=1e-9)
    for share in found.inputs:
        assert share.value == pytest.approx(share.total, rel=1e-9), share
    logits = model.activations(X[None])["dense_1"][0]
    if case in ("logits", "no loss given", "softmax"):
        assert shown.value == pytest.approx(-np.log(softmax(logits)[label]))
        assert f"−ln {softmax(logits)[label]:.6g}" == shown.steps[-1].formula


@pytest.mark.parametrize("p", [0.25, 0.995, 0.999832144, 1 - 3e-9, 1.00016788, 1.0])
def test_a_shown_probability_gives_the_shown_loss(p: float) -> None:
    shown = show_share(p)
    assert len(shown) < 18
    assert -np.log(float(shown)) == pytest.approx(-np.log(p), rel=5e-6, abs=1e-15)


def test_the_softmax_after_logits_has_its_arithmetic_and_gradient() -> None:
    model = model_of(pl.Dense(3), "cross_entropy")
    logits = model.activations(X[None])["dense_1"][0]
    p, t = softmax(logits), np.eye(3)[1]
    total = np.zeros(3)
    for k in range(3):
        shown = explain.arithmetic(model, X, "softmax", (k,))
        assert shown.value == pytest.approx(p[k], rel=1e-12)
        assert shown.activation == pytest.approx(p[k], rel=1e-12)
        found = explain.derivative(model, X, "softmax", (k,), label=1)
        assert found.comes_from == ("loss",)
        assert found.reaches == pytest.approx(-t[k] / p[k])
        total += [share.value for share in found.inputs]
    np.testing.assert_allclose(total, p - t, atol=1e-12)
    for k in range(3):
        found = explain.derivative(model, X, "dense_1", (k,), label=1)
        assert found.reaches == pytest.approx((p - t)[k], rel=1e-9)
    of_class = explain.derivative(model, X, "softmax", (2,), of_class=2)
    assert of_class.reaches == 1


@pytest.mark.parametrize("engine", ["compiled"])
def test_other_engines_have_these_nodes(engine: str) -> None:
    model = pl.Model(model_of(pl.Dense(3), None).network, engine=engine, seed=2)
    shown = explain.arithmetic(model, X.astype(np.float32), "softmax")
    assert shown.value == pytest.approx(shown.activation, rel=1e-5)
    lost = explain.arithmetic(model, X.astype(np.float32), "loss", label=0)
    assert lost.value == pytest.approx(lost.activation, rel=1e-5)


def test_what_has_no_such_node_is_refused() -> None:
    model = model_of(pl.Dense(3), "cross_entropy")
    with pytest.raises(pl.NetworkError, match="node 'loss' must go with a label"):
        explain.arithmetic(model, X, "loss")
    with pytest.raises(pl.NetworkError, match=r"must be one of .* got 'sigmoid'"):
        explain.arithmetic(model, X, "sigmoid")
    other = model_of(pl.Dense(1), "huber")
    with pytest.raises(pl.NetworkError, match="node 'loss' must be cross_entropy"):
        explain.arithmetic(other, X, "loss", label=0)


def test_a_node_that_is_called_softmax_stays_itself() -> None:
    image = pl.Input(3)
    gate = pl.Softmax(name="softmax")(image)
    network = pl.Network(inputs=image, outputs=pl.Dense(2)(gate))
    model = pl.Model(network, engine="numpy", loss="cross_entropy", dtype="float64")
    x = np.array([1.0, 2.0, 0.5])
    inner = explain.arithmetic(model, x, "softmax", (1,))
    assert inner.value == pytest.approx(softmax(x)[1])
    last = explain.arithmetic(model, x, "softmax_of_output", (1,))
    output = model.predict(x[None])[0]
    assert last.value == pytest.approx(softmax(output)[1])
    lost = explain.arithmetic(model, x, "loss", label=1)
    assert lost.terms[0].source == "softmax_of_output"
