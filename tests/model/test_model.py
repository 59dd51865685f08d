"""The model: what it is handed, what it hands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl


def model(**arguments: Any) -> pl.Model:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(3, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(4, name="head"),
        preprocessing=pl.Preprocessing.signed(),
    )
    given = {"loss": "cross_entropy", "optimizer": pl.Adam(), "engine": "numpy"}
    return pl.Model(network, **(given | arguments))


def images(n: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, 6, 6, 1), np.uint8)


def test_uint8_goes_through_preprocessing_and_floats_do_not() -> None:
    m, x = model(), images()
    scaled = m.preprocessing.apply(x)
    np.testing.assert_array_equal(m.predict(x), m.predict(scaled))
    with pytest.warns(UserWarning, match="float images should lie near -1 … 1"):
        assert not np.allclose(m.predict(x), m.predict(x.astype(float)))
    assert m.predict(x).dtype == np.float32
    assert model(dtype="float64").predict(x).dtype == np.float64


def test_any_number_of_images_can_be_predicted() -> None:
    m, x = model(), images(600)
    assert m.predict(x[:0]).shape == (0, 4)
    whole = m.predict(x)
    assert whole.shape == (600, 4)
    np.testing.assert_allclose(
        whole[300:303], m.predict(x[300:303]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((6, 6, 1)), r"images must have shape \(N, 6, 6, 1\).* batch: images"),
        (np.zeros((2, 6, 6)), r"Add the channel axis: images\[\.\.\., None\]"),
        (np.zeros((2, 1, 6, 6)), "Put channels last"),
        (np.zeros((2, 7, 6, 1)), r"got shape=\(2, 7, 6, 1\)\."),
        (np.array("x"), "images must be uint8 or floats"),
    ],
)
def test_images_that_do_not_fit_come_with_advice(x: Any, message: str) -> None:
    with pytest.raises(pl.PellucidError, match=message):
        model().predict(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"engine": "cuda"}, "engine: must be one of numpy, compiled, torch"),
        ({"engine": 3}, "must be a name or an engine; got int"),
        ({"dtype": "float16"}, "dtype must be one of float32, float64"),
        ({"loss": "hinge"}, "loss: must be one of"),
        ({"optimizer": "lion"}, "optimizer: must be one of"),
        ({"classes": ("a",)}, "classes must name each output; got 1 classes for 4"),
        ({"seed": -1}, "seed must be from 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(pl.PellucidError, match=message):
        model(**arguments)


def test_a_model_wants_a_network() -> None:
    with pytest.raises(pl.NetworkError, match="network must be a Network; got str"):
        pl.Model("mnist-torch")  # type: ignore[arg-type]


def test_a_step_checks_labels_and_weights() -> None:
    m, x = model(), images()
    y = np.array([0, 1, 2])
    with pytest.raises(pl.DataError, match="labels must have shape"):
        m.train_step(x, y[:2])
    with pytest.raises(pl.DataError, match="sample_weight must be 3 numbers of at lea"):
        m.train_step(x, y, sample_weight=[1, -1, 1])
    with pytest.raises(pl.DataError, match="sample_weight must be 3 numbers"):
        m.gradients(x, y, sample_weight=[0, 0, 0])
    with pytest.raises(pl.DataError, match="must have at least one image; got 0"):
        m.train_step(x[:0], y[:0])
    with pytest.raises(pl.ShapeError, match=r"grad_output must have shape \(3, 4\)"):
        m.vjp(x, np.zeros((3, 5)))


def test_weights_are_read_only_and_ordered() -> None:
    weights = model().weights
    assert list(weights) == ["conv2d.weight", "conv2d.bias", "head.weight", "head.bias"]
    with pytest.raises(ValueError, match="read-only"):
        weights["head.bias"][0] = 1


def test_load_weights_refuses_another_network_s() -> None:
    m = model()
    with pytest.raises(
        pl.EngineError, match="names must be those of network 'network'"
    ):
        m.load_weights({"conv2d.weight": np.zeros((3, 3, 1, 3))})
    other = {**m.weights, "head.bias": np.zeros(5)}
    with pytest.raises(pl.ShapeError, match=r"'head.bias' must have shape \(4,\)"):
        m.load_weights(other)
    m.load_weights({name: array * 0 for name, array in m.weights.items()})
    assert not m.predict(images()).any()


def test_state_travels_to_a_new_model() -> None:
    m, x, y = model(), images(), np.array([0, 1, 2])
    m.train_step(x, y)
    other = m.to("numpy")
    assert {k for k in m.state() if k.startswith("optimizer/")} == {
        f"optimizer/{slot}/{name}"
        for slot in ("first_moment", "second_moment")
        for name in m.weights
    }
    m.train_step(x, y)
    other.train_step(x, y)
    for name, array in m.weights.items():
        np.testing.assert_array_equal(array, other.weights[name])
    assert int(m.state()["step"]) == 2


def test_a_head_is_replaced_and_the_rest_frozen() -> None:
    m, x = model(), images()
    network = m.network.with_settings({"head.units": 2}).frozen("conv2d")
    new = m.transfer(network)
    np.testing.assert_array_equal(
        m.weights["conv2d.weight"], new.weights["conv2d.weight"]
    )
    new.train_step(x, np.array([0, 1, 1]))
    np.testing.assert_array_equal(
        m.weights["conv2d.weight"], new.weights["conv2d.weight"]
    )
    assert new.predict(x).shape == (3, 2)


def test_learning_rate_can_be_given_per_step() -> None:
    m = model(optimizer=pl.SGD(0.1))
    before = dict(m.weights)
    m.train_step(images(), np.array([0, 1, 2]), learning_rate=0.0)
    for name, array in m.weights.items():
        np.testing.assert_array_equal(array, before[name])


def test_evaluate_agrees_with_the_definition_for_softmax_and_sigmoid() -> None:
    x = np.random.default_rng(0).standard_normal((20, 4))
    y = np.random.default_rng(1).integers(0, 3, 20)
    soft = pl.Sequential(pl.Input(4), pl.Dense(3, activation="softmax"))
    m = pl.Model(soft, engine="numpy", loss="cross_entropy", dtype="float64")
    expected = -np.log(m.predict(x)[np.arange(20), y]).mean()
    assert m.evaluate((x, y))["loss"] == pytest.approx(expected)
    binary = pl.Sequential(pl.Input(4), pl.Dense(1, activation="sigmoid"))
    m = pl.Model(binary, engine="numpy", loss="binary_cross_entropy", dtype="float64")
    t = (y > 0)[:, None].astype(float)
    p = m.predict(x * 3)
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert m.evaluate((x * 3, t))["loss"] == pytest.approx(expected, rel=1e-6)


def test_plan_is_the_compiled_engine_s() -> None:
    with pytest.raises(
        pl.EngineError, match="plan must be asked of the compiled engine"
    ):
        _ = model().plan
    assert set(model().native) == set(model().weights)
