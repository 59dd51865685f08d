"""Recurrent layers of Keras: read with Keras' own outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

keras = pytest.importorskip("keras")
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def reader() -> Any:
    """A model with each of them, a few inputs and what it gives."""
    model = keras.Sequential(
        [
            keras.Input((3, 2)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.Bidirectional(
                layers.GRU(2, return_sequences=True), merge_mode="ave", name="gates"
            ),
            layers.TimeDistributed(layers.Dense(4, activation="relu")),
            layers.SimpleRNN(3, return_sequences=True, go_backwards=True),
            layers.GRU(3, reset_after=False, use_bias=False, go_backwards=True),
        ]
    )
    random = np.random.default_rng(3)
    model.set_weights([random.normal(0, 0.5, w.shape) for w in model.get_weights()])
    x = random.normal(size=(3, 3, 2)).astype(np.float32)
    return model, x, np.asarray(model(x))


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_recurrent_layers_give_what_keras_gives(
    ending: str, reader: Any, tmp_path: Path
) -> None:
    model, x, expected = reader
    path = tmp_path / f"model.{ending}"
    model.save(path)
    back = exchange.read(path, engine="numpy")
    np.testing.assert_allclose(back.predict(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (layers.LSTM(2, activation="relu"), "have activation='tanh'"),
        (layers.GRU(2, recurrent_activation="hard_sigmoid"), "recurrent_activation"),
        (layers.TimeDistributed(layers.Conv1D(2, 1)), "hold one of Activation"),
    ],
    ids=["relu", "hard sigmoid", "convolution"],
)
def test_what_is_no_layer_of_ours_is_refused(layer, message, tmp_path) -> None:
    shape = (2, 5, 4) if "time" in layer.name else (5, 4)
    keras.Sequential([keras.Input(shape), layer]).save(tmp_path / "model.keras")
    with pytest.raises(pl.ExchangeError, match=message):
        exchange.read(tmp_path / "model.keras")
