"""The guided walk's numbers, recomputed in float64 by plain NumPy."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.studio.walk import walk

LABEL = 1
LEARNED = ("conv2d.weight", "conv2d.bias", "dense.weight", "dense.bias")


def encode(pixels: np.ndarray) -> str:
    return base64.b64encode(pixels.tobytes()).decode()


@pytest.fixture(scope="module")
def model() -> pl.Model:
    image = pl.Input(9, 8, 2)
    x = pl.Conv2D(3, 3, stride=2, padding=1, activation="relu")(image)
    x = pl.Flatten()(pl.MaxPool2D(2)(x))
    network = pl.Network(inputs=image, outputs=pl.Dense(3)(x))
    model = pl.Model(network, engine="numpy", optimizer=pl.Adam(0.01), seed=4)
    weights = {n: a + 0.05 if a.ndim == 1 else a for n, a in model.weights.items()}
    model.load_weights(weights)
    return model


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(6).random((9, 8, 2))  # two channels are no picture


@pytest.fixture(scope="module")
def shown(model: pl.Model, pixels: np.ndarray) -> dict[str, Any]:
    return walk(model, encode(pixels), LABEL)


def forward(weights: dict[str, np.ndarray], pixels: np.ndarray) -> dict[str, Any]:
    """Compute every node by its definition, in plain loops."""
    x = np.pad(pixels, ((1, 1), (1, 1), (0, 0)))
    y = np.zeros((5, 4, 3))
    for i, j, o in itertools.product(range(5), range(4), range(3)):
        window = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        y[i, j, o] = weights["conv2d.bias"][o] + np.sum(
            window * weights["conv2d.weight"][:, :, :, o]
        )
    r = np.maximum(y, 0)
    pooled = r[:4].reshape(2, 2, 2, 2, 3).max(axis=(1, 3))
    z = pooled.reshape(-1) @ weights["dense.weight"] + weights["dense.bias"]
    e = np.exp(z - z.max())
    p = e / e.sum()
    return {
        "input": pixels,
        "conv2d": y,
        "conv2d_relu": r,
        "max_pool2d": pooled,
        "flatten": pooled.reshape(-1),
        "dense": z,
        "softmax": p,
        "loss": -np.log(p[LABEL]),
    }


def exact(model: pl.Model) -> dict[str, np.ndarray]:
    return {name: np.asarray(a, np.float64) for name, a in model.weights.items()}


def test_every_stop_has_the_value_of_its_definition(model, pixels, shown) -> None:
    found = forward(exact(model), pixels)
    assert [stop["node"] for stop in shown["stops"]] == [
        n for n in found if n != "loss"
    ]
    for stop in shown["stops"]:
        value = found[stop["node"]][tuple(stop["at"])]
        assert stop["value"] == pytest.approx(value, rel=1e-12), stop["node"]
        assert stop["activation"] == pytest.approx(value, rel=1e-12)
    assert shown["loss"]["value"] == pytest.approx(found["loss"], rel=1e-12)
    for before, stop in itertools.pairwise(shown["stops"]):  # one thread, unbroken
        assert stop["follows"] == {"source": before["node"], "at": tuple(before["at"])}


def test_each_place_of_the_window_adds_up(model, pixels, shown) -> None:
    found = forward(exact(model), pixels)
    stop = next(s for s in shown["stops"] if s["node"] == "conv2d")
    window = stop["window"]
    x, w, rest = (np.array(window[key]) for key in ("x", "w", "rest"))
    y, out = np.array(window["y"]), stop["at"][2]
    np.testing.assert_allclose(y, found["conv2d"][:, :, out], rtol=1e-12)
    for i, j in itertools.product(range(5), range(4)):
        own = np.sum(x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * w)
        assert own + rest[i, j] + window["bias"] == pytest.approx(y[i, j], abs=1e-12)
    assert window["x_from"] == [-1, -1]
    padded = np.pad(pixels[:, :, window["channel"]], 1)
    np.testing.assert_allclose(x, padded[: x.shape[0], : x.shape[1]], rtol=1e-12)


def test_gradients_are_differences_of_the_loss(model, pixels, shown) -> None:
    weights = exact(model)
    output, logits = shown["output"], shown["logits"]
    p, t = np.array(output["values"]), np.eye(3)[LABEL]
    assert output["node"] == "softmax"
    np.testing.assert_allclose(logits["gradient"], p - t, atol=1e-12)
    at, name = shown["weight"]["at"], shown["weight"]["name"]
    losses = []
    for step in (1e-6, -1e-6):
        moved = {n: a.copy() for n, a in weights.items()}
        moved[name][tuple(at)] += step
        losses.append(forward(moved, pixels)["loss"])
    difference = (losses[0] - losses[1]) / 2e-6
    assert shown["weight"]["gradient"] == pytest.approx(difference, rel=1e-6)
    places = shown["weight"]["places"]
    total = sum(p["value"] for p in places) + shown["weight"]["left_out"]["sum"]
    assert total == pytest.approx(difference, rel=1e-6)
    relu = next(s for s in shown["stops"] if s["node"] == "conv2d_relu")
    conv = next(s for s in shown["stops"] if s["node"] == "conv2d")
    onward = relu["gradient"]
    assert onward["share"] == pytest.approx(onward["reaches"] * onward["slope"])
    assert onward["share"] == pytest.approx(conv["gradient"]["reaches"])


def test_the_update_is_adams_and_the_loss_falls_to_what_it_says(
    model, pixels, shown
) -> None:
    learning = shown["learning"]
    lines = {line["name"]: line["value"] for line in learning["updates"][0]["steps"]}
    g = shown["weight"]["gradient"]
    assert lines["g"] == g
    assert lines["m"] == pytest.approx(0.1 * g)
    assert lines["v"] == pytest.approx(0.001 * g * g)
    assert lines["m̂"] == pytest.approx(g)
    assert lines["change"] == pytest.approx(-0.01 * g / (abs(g) + 1e-8))
    twin = pl.Model(
        model.network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(0.01),
        dtype="float64",
    )
    twin.load_weights(exact(model))
    for loss in learning["losses"]:
        assert forward(exact(twin), pixels)["loss"] == pytest.approx(loss, rel=1e-7)
        twin.train_step(pixels[None], np.array([LABEL]))
    assert learning["losses"] == sorted(learning["losses"], reverse=True)


def test_branches_are_followed_where_the_larger_contribution_is() -> None:
    image = pl.Input(6, 6, 1)
    x = pl.Conv2D(2, 3, padding="same")(image)
    y = pl.BatchNorm()(pl.Conv2D(2, 3, padding="same")(x))
    x = pl.GlobalAvgPool2D()(pl.ReLU()(pl.Add()(x, y)))
    network = pl.Network(inputs=image, outputs=pl.Dense(2, activation="softmax")(x))
    model = pl.Model(network, engine="numpy", seed=1)
    pixels = np.random.default_rng(1).integers(0, 256, (6, 6, 1)).astype(np.uint8)
    shown = walk(model, encode(pixels), None)
    add = next(stop for stop in shown["stops"] if stop["node"] == "add")
    largest = max(add["terms"], key=lambda term: abs(term["value"]))
    assert add["follows"]["source"] == largest["source"]
    assert shown["is_own_answer"]
    assert shown["label"] == model.predict(pixels[None])[0].argmax()


def test_an_answer_for_each_pixel_is_walked_without_a_loss() -> None:
    image = pl.Input(6, 6, 1)
    network = pl.Network(inputs=image, outputs=pl.Conv2D(3, 3, padding="same")(image))
    pixels = np.zeros((6, 6, 1), np.uint8)
    shown = walk(pl.Model(network, engine="numpy"), encode(pixels), None)
    assert shown["loss"] is None
    assert shown["learning"] is None
    assert [stop["node"] for stop in shown["stops"]] == ["input", "conv2d", "softmax"]
    window = next(s["window"] for s in shown["stops"] if s["node"] == "conv2d")
    assert np.shape(window["w"]) == (3, 3)  # it slides here, too


def test_numbers_that_are_no_picture_are_walked() -> None:
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy", loss="mse")
    x = np.array([0.0, 1.0])
    shown = walk(model, encode(x), 1)
    output = model.predict(x[None])[0, 0]
    assert shown["loss"]["value"] == pytest.approx((output - 1) ** 2, rel=1e-5)
    assert shown["pixels"]["values"] == [0.0, 1.0]
    assert shown["learning"]["losses"][-1] < shown["learning"]["losses"][0]


def test_a_regression_is_walked_with_its_own_answer() -> None:
    image = pl.Input(4, 4, 1)
    network = pl.Network(inputs=image, outputs=pl.Dense(1)(pl.Flatten()(image)))
    model = pl.Model(network, engine="numpy", loss="mse", seed=1)
    x = np.random.default_rng(5).random((4, 4, 1))
    shown = walk(model, encode(x), 0.415)
    w = {n: a.astype(np.float64) for n, a in model.weights.items()}
    y = float(x.ravel() @ w["dense.weight"][:, 0] + w["dense.bias"][0])
    assert shown["loss"]["value"] == pytest.approx((y - 0.415) ** 2, rel=1e-9)
    assert shown["output"]["gradient"] == pytest.approx([2 * (y - 0.415)], rel=1e-9)
    assert shown["learning"]["losses"][0] == pytest.approx((y - 0.415) ** 2, rel=1e-9)
    assert walk(model, encode(x), None)["label"] == round(y)


def test_a_fraction_is_no_class(model: pl.Model, pixels: np.ndarray) -> None:
    with pytest.raises(pl.DataError, match=r"must be a whole number; got 0\.5"):
        walk(model, encode(pixels), 0.5)


def test_updates_follow_the_optimizer_s_groups() -> None:
    network = pl.Sequential(
        pl.Input(6, 6, 1), pl.Conv2D(2, 3), pl.Flatten(), pl.Dense(3)
    )
    group = pl.ParameterGroup(layers=("conv2d",), rate_factor=0.1, weight_decay=0.3)
    optimizer = pl.SGD(0.5, weight_decay=0.01, groups=(group,))
    own = pl.Model(network, engine="numpy", optimizer=optimizer, loss="cross_entropy")
    pixels = np.random.default_rng(0).integers(0, 255, (6, 6, 1)).astype(np.uint8)
    learning = walk(own, encode(pixels), 1)["learning"]
    assert learning["weight"] == "conv2d.weight"
    w = own.weights["conv2d.weight"][tuple(learning["at"])].astype(np.float64)
    for update in learning["updates"]:
        steps = update["steps"]
        w -= 0.05 * (steps[0]["value"] + 0.3 * w)
        assert steps[-1]["value"] == pytest.approx(w, rel=1e-6)


def test_a_window_of_rounded_weights_has_the_rounded_ones() -> None:
    image = pl.Input(6, 6, 2)
    x = pl.FakeQuantize(pl.Quantization(1 / 255, -128))(image)
    x = pl.FakeQuantized(pl.Conv2D(3, 3, padding="same"), bits=3, name="conv")(x)
    network = pl.Network(inputs=image, outputs=pl.Dense(2)(pl.Flatten()(pl.ReLU()(x))))
    model = pl.Model(network, engine="numpy", seed=2, optimizer=pl.SGD(0.1))
    pixels = np.random.default_rng(3).random((6, 6, 2))
    shown = walk(model, encode(pixels), 0)
    stop = next(s for s in shown["stops"] if s["node"] == "conv")
    window, weights = stop["window"], exact(model)["conv.weight"]
    c, o = window["channel"], stop["at"][2]
    s = np.abs(weights[..., o]).max() / 3
    kernel = np.rint(weights[:, :, c, o] / s) * s
    np.testing.assert_allclose(window["w"], kernel, atol=1e-7)
    assert stop["layer"] == "Conv2D"
    (line,) = [line for line in stop["steps"] if line["name"] == "s"]
    assert line["value"] == pytest.approx(s, rel=1e-6)
    x = np.array(window["x"])
    for i, j in itertools.product(range(6), range(6)):
        own = np.sum(x[i : i + 3, j : j + 3] * window["w"])
        expected = own + window["rest"][i][j] + window["bias"]
        assert expected == pytest.approx(window["y"][i][j], abs=1e-12)
    grads = shown["weight"]
    assert grads["name"] == "conv.weight"
    total = sum(p["value"] for p in grads["places"]) + grads["left_out"]["sum"]
    assert total == pytest.approx(grads["gradient"], rel=1e-9)
