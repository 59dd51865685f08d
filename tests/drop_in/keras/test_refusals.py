"""What a Keras drop-in refuses, before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from tests.drop_in.keras.conftest import keras


def _with_layer(layer: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 1)), layer])


def test_models_that_cannot_run_are_refused_by_name(make: Any) -> None:
    layers = keras.layers
    with pytest.raises(pl.ExchangeError, match="ConvLSTM2D"):
        pl.compile(
            keras.Sequential([keras.Input((2, 8, 8, 1)), layers.ConvLSTM2D(2, 3)])
        )

    class Own(keras.Model):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x

    with pytest.raises(pl.ExchangeError, match="a call of its own"):
        pl.compile(Own())
    with pytest.raises(pl.ExchangeError, match="drop-in already"):
        pl.compile(pl.compile(make()))
    with pytest.raises(pl.ExchangeError, match="those of its compile"):
        pl.compile(make(), loss="mse")


def test_layers_of_training_alone_are_refused_in_training(batch: Any) -> None:
    model = _with_layer(keras.layers.RandomFlip())
    model.compile(loss="mse")
    fast = pl.compile(model)
    x, _ = batch
    np.testing.assert_array_equal(fast.predict(x, verbose=0), x)
    with pytest.raises(pl.ExchangeError, match=r"got 'random_flip.*', a RandomFlip"):
        fast.fit(x, x, verbose=0)


def test_dropout_inside_recurrent_layers_is_refused_in_training() -> None:
    layers = [keras.Input((3, 2)), keras.layers.LSTM(2, dropout=0.5, name="cells")]
    model = keras.Sequential(layers)
    model.compile(loss="mse")
    fast, x = pl.compile(model), np.zeros((4, 3, 2), np.float32)
    assert fast.predict(x, verbose=0).shape == (4, 2)
    with pytest.raises(pl.ExchangeError, match=r"got dropout=0.5 in 'cells'\. Put a D"):
        fast.fit(x, x[:, 0], verbose=0)


def test_models_that_train_in_their_own_way_are_refused(batch: Any) -> None:
    class Own(keras.Sequential):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            return {}

    model = Own([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile(loss="mse")
    fast = pl.compile(model)
    x, _ = batch
    assert fast.predict(x, verbose=0).shape == (40, 3)
    with pytest.raises(pl.ExchangeError, match="train_step of its own"):
        fast.fit(x, np.zeros((40, 3)), verbose=0)


def test_labels_must_fit(make: Any, batch: Any) -> None:
    x, y = batch
    fast = pl.compile(
        make(optimizer="sgd", loss="sparse_categorical_crossentropy"), threads=1
    )
    with pytest.raises(
        pl.ExchangeError, match=r"classes must lie in 0 … 2; got 1 to 3"
    ):
        fast.fit(x, y + 1, verbose=0)
