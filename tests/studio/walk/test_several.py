"""The walk of a network with several inputs and outputs, recomputed in float64."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import NetworkError
from pellucid.studio.walk import walk

LABEL = 2
RANDOM = np.random.default_rng(3)
EXAMPLE = {
    "left": RANDOM.random((5, 5, 2)),
    "right": RANDOM.random((5, 5, 2)),
    "facts": np.array([0.5, -1.0]),
}


@pytest.fixture(scope="module")
def model() -> pl.Model:
    """One convolution for two images; logits of three kinds, and one size."""
    left, right = pl.Input(5, 5, 2, name="left"), pl.Input(5, 5, 2, name="right")
    facts, conv = pl.Input(2, name="facts"), pl.Conv2D(3, 3, name="conv")
    apart = pl.Flatten()(pl.Subtract()(conv(left), conv(right)))
    x = pl.Concat()(facts, apart)
    network = pl.Network(
        inputs=[facts, left, right],
        outputs=[pl.Dense(1, name="size")(x), pl.Dense(3, name="kind")(x)],
    )
    return pl.Model(
        network,
        engine="numpy",
        loss={"size": "mse", "kind": "cross_entropy"},
        loss_weights={"kind": 7.0},
        optimizer=pl.SGD(0.01),
        seed=4,
    )


@pytest.fixture(scope="module")
def shown(model: pl.Model) -> dict[str, Any]:
    return walk(model, held(), LABEL, "kind")


def held() -> dict[str, str]:
    return {n: base64.b64encode(a.tobytes()).decode() for n, a in EXAMPLE.items()}


def exact(model: pl.Model) -> dict[str, np.ndarray]:
    return {name: np.asarray(a, np.float64) for name, a in model.weights.items()}


def forward(weights: dict[str, np.ndarray]) -> dict[str, Any]:
    """Compute every node by its definition."""

    def conv(x: np.ndarray) -> np.ndarray:
        y = np.zeros((3, 3, 3))
        for i, j in itertools.product(range(3), repeat=2):
            window = x[i : i + 3, j : j + 3, :, None]
            y[i, j] = np.sum(window * weights["conv.weight"], axis=(0, 1, 2))
        return y + weights["conv.bias"]

    left, right = conv(EXAMPLE["left"]), conv(EXAMPLE["right"])
    x = np.concatenate([EXAMPLE["facts"], (left - right).ravel()])
    z = x @ weights["kind.weight"] + weights["kind.bias"]
    p = np.exp(z - z.max())
    p /= p.sum()
    size = x @ weights["size.weight"] + weights["size.bias"]
    found = {**EXAMPLE, "conv": left, "conv_1": right, "subtract": left - right}
    found |= {"flatten": (left - right).ravel(), "concat": x, "kind": z}
    return found | {"kind_softmax": p, "size": size, "loss": -np.log(p[LABEL])}


def test_every_stop_has_the_value_of_its_definition(model, shown) -> None:
    found = forward(exact(model))
    nodes = [stop["node"] for stop in shown["stops"]]
    assert nodes[0] in model.network.inputs
    assert nodes[-2:] == ["kind", "kind_softmax"]
    for stop in shown["stops"]:
        value = found[stop["node"]][tuple(stop["at"])]
        assert stop["value"] == pytest.approx(value, rel=1e-12), stop["node"]
        assert stop["field"] is None  # rows and columns of which picture?
    assert shown["loss"]["value"] == pytest.approx(found["loss"], rel=1e-12)
    given = EXAMPLE[nodes[0]]
    assert shown["pixels"]["shape"] == (list(given.shape) if given.ndim == 3 else [])


def test_gradients_are_differences_of_that_outputs_loss(model, shown) -> None:
    p = forward(exact(model))["kind_softmax"]
    np.testing.assert_allclose(
        shown["logits"]["gradient"], p - np.eye(3)[LABEL], atol=1e-12
    )
    at, name = tuple(shown["weight"]["at"]), shown["weight"]["name"]
    losses = []
    for step in (1e-6, -1e-6):
        moved = exact(model)
        moved[name][at] += step
        losses.append(forward(moved)["loss"])
    slope = (losses[0] - losses[1]) / 2e-6
    assert shown["weight"]["gradient"] == pytest.approx(slope, rel=1e-6)
    places = shown["weight"]["places"]
    total = sum(p["value"] for p in places) + shown["weight"]["left_out"]["sum"]
    assert total == pytest.approx(slope, rel=1e-6)


def test_updates_follow_that_outputs_loss_alone(model, shown) -> None:
    weights, learning = exact(model), shown["learning"]
    for loss in learning["losses"]:
        assert forward(weights)["loss"] == pytest.approx(loss, rel=1e-7)
        x, p = (forward(weights)[n] for n in ("concat", "kind_softmax"))
        grad_z = p - np.eye(3)[LABEL]
        grad_x = (weights["kind.weight"] @ grad_z)[2:].reshape(3, 3, 3)
        grad = {"kind.weight": np.outer(x, grad_z), "kind.bias": grad_z}
        grad["conv.weight"] = np.zeros((3, 3, 2, 3))
        for i, j in itertools.product(range(3), repeat=2):
            apart = EXAMPLE["left"] - EXAMPLE["right"]
            window = apart[i : i + 3, j : j + 3, :, None]
            grad["conv.weight"] += window * grad_x[i, j]
        for name, g in grad.items():
            weights[name] -= 0.01 * g
    assert learning["losses"] == sorted(learning["losses"], reverse=True)


def test_a_regression_is_walked_to_with_its_own_value(model) -> None:
    size = forward(exact(model))["size"][0]
    found = walk(model, held(), 1.5, "size")
    assert found["stops"][-1]["node"] == "size"
    assert found["loss"]["value"] == pytest.approx((size - 1.5) ** 2, rel=1e-12)
    assert walk(model, held(), None, "size")["label"] == round(size)


@pytest.mark.parametrize("output", [None, "kind_softmax"])
def test_the_output_must_be_named(model, output) -> None:
    with pytest.raises(NetworkError, match="must be one of the network's, size, kind"):
        walk(model, held(), None, output)
