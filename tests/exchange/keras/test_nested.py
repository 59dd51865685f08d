"""Keras models of several inputs and outputs, with models inside and shared layers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.keras.entry import sort_in_keras_order
from pellucid.exchange.keras.layers import build_entries
from pellucid.exchange.keras.topology import read_topology

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras", reason="keras is not installed")


@pytest.fixture(scope="module")
def nested(keras: Any) -> Any:
    """A model of two outputs, called twice inside another; a chain and a layer too."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    image = layers.Input((6, 5, 2))
    x = layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.BatchNormalization(scale=False)(layers.Cropping2D(1)(x))
    ends = [layers.Flatten()(x), layers.GlobalAveragePooling2D()(x)]
    inside = keras.Model(image, ends, name="inside")
    chain = keras.Sequential([layers.Dense(4), layers.LayerNormalization()], name="row")
    left, right = layers.Input((6, 5, 2), name="left"), layers.Input((6, 5, 2))
    (flat, mean), (other, last) = inside(left), inside(right)
    dense = layers.Dense(2, name="dense")
    joined = layers.Concatenate()([dense(chain(flat)), dense(chain(other)), mean])
    model = keras.Model([left, right], [joined, last])
    norm = inside.get_layer(index=3)
    random = np.random.default_rng(0)
    norm.set_weights([random.random(array.shape) for array in norm.get_weights()])
    return model


@pytest.fixture(scope="module")
def case(nested: Any) -> Any:
    """Inputs, and what Keras gives for them."""
    random = np.random.default_rng(0)
    inputs = [random.normal(size=(3, 6, 5, 2)).astype(np.float32) for _ in range(2)]
    return tuple(inputs), [np.asarray(y) for y in nested(inputs, training=False)]


def assert_same(model: pl.Model, case: Any) -> None:
    inputs, expected = case
    for ours, theirs in zip(model.predict(inputs), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_of_keras_comes_in(suffix, nested, case, tmp_path):
    path = tmp_path / f"model{suffix}"
    nested.save(path)
    assert_same(exchange.read(path, engine="numpy"), case)


def test_a_live_model_comes_in_and_stays_as_it_is(nested, case):
    before = [array.copy() for array in nested.get_weights()]
    model = exchange.read(nested, engine="numpy")
    assert_same(model, case)
    shared = {owner: len(nodes) for owner, nodes in model.network.shared.items()}
    assert sorted(shared.values()) == [2] * 5  # conv, norm, dense, norm, dense
    assert model.network.inputs[0] == "left"
    for a, b in zip(before, nested.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_keras_2_counts_differently_is_the_same(nested):
    document = json.loads(nested.to_json())
    new = read_topology(document)
    for layer in document["config"][
        "layers"
    ]:  # as Keras 2 has calls, and numbers inner models
        layer["inbound_nodes"] = [
            [
                [name, call + (name in ("inside", "row")), output, {}]
                for name, call, output in _histories(node["args"])
            ]
            for node in layer["inbound_nodes"]
        ]
    old = read_topology(document)
    assert [e.calls for e in old.entries] == [e.calls for e in new.entries]
    assert old.outputs == new.outputs


def _histories(value: Any) -> list[Any]:
    if isinstance(value, list | tuple):
        return [found for item in value for found in _histories(item)]
    return [value["config"]["keras_history"]]


def test_mappings_of_inputs_and_outputs_go_by_their_keys(keras):
    layers = keras.layers
    b, a = layers.Input((2,), name="b"), layers.Input((3,), name="a")
    ends = {"z": layers.Dense(2, name="z")(a), "y": layers.Dense(3, name="y")(b)}
    model = exchange.read(keras.Model({"b": b, "a": a}, ends), engine="numpy")
    assert (model.network.inputs, model.network.outputs) == (("a", "b"), ("y", "z"))


def test_classes_and_shapes_that_cannot_be_read_are_refused_by_name(keras):
    class Program(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(pl.ExchangeError, match="class 'Program' with a call of its"):
        exchange.read(Program())
    with pytest.raises(pl.ExchangeError, match="must have been built"):
        exchange.read(keras.Sequential([keras.layers.Dense(3)]))
    free = keras.Sequential([keras.Input((None, 2)), keras.layers.Conv1D(3, 2)])
    with pytest.raises(pl.ExchangeError, match=r"Give --input-size LENGTH"):
        exchange.read(free)
    assert exchange.read(free, input_shape=(7,)).network.output_shape == (6, 3)
    lambda_ = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x: x, name="own")]
    )
    with pytest.raises(pl.ExchangeError, match="Lambda 'own' must be a layer"):
        exchange.read(lambda_)


def test_a_wrong_network_is_found_by_the_model_itself(keras, monkeypatch):
    from pellucid.exchange import keras_objects

    right = keras_objects.build_model

    def wrong(*arguments: Any, **how: Any) -> Any:
        file = right(*arguments, **how)
        name = file.network.weights[-1].name
        file.weights[name] = file.weights[name] + 1
        return file

    monkeypatch.setattr(keras_objects, "build_model", wrong)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    with pytest.raises(pl.ExchangeError, match="outputs of its file in Keras"):
        exchange.read(model)


def test_a_layer_that_would_be_two_of_keras_is_refused(tmp_path):
    conv = pl.Conv2D(2, kernel_size=3, stride=2, padding=1)
    large, small = pl.Input(5, 5, 1), pl.Input(6, 6, 1)
    network = pl.Network(inputs=[large, small], outputs=[conv(large), conv(small)])
    with pytest.raises(pl.ExchangeError, match="'conv2d', whose weights it shares"):
        exchange.write(pl.Model(network, engine="numpy"), tmp_path / "m.keras")
    assert not list(tmp_path.iterdir())


def test_layers_are_in_the_order_of_keras(keras, tmp_path):
    """Which counts by the longest path, and of a shared layer by that of all calls."""
    left, right = pl.Input(4, name="left"), pl.Input(4, name="right")
    dense = pl.Dense(4, name="twice")
    x = pl.ReLU(name="late")(dense(pl.Tanh(name="early")(dense(left))))
    ends = [pl.Add(name="sum")(x, pl.Sigmoid(name="short")(right)), right]
    model = pl.Model(pl.Network(inputs=[right, left], outputs=ends), engine="numpy")
    path = exchange.write(model, tmp_path / "m.keras")
    loaded = keras.saving.load_model(path, compile=False)
    entries, values = build_entries(model.file())
    ordered = sort_in_keras_order(entries, [values[n] for n in model.network.outputs])
    assert [e.name for e in ordered] == [layer.name for layer in loaded.layers]
