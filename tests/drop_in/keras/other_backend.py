"""Compare a drop-in with its twin; run as a script with KERAS_BACKEND set."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np

import pellucid as pl

TOLERANCE = 2e-5


def make(optimizer: Any) -> Any:
    """Return a compiled model of two inputs, its loss with a counterpart or without."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    ports = [keras.Input((4,), name="one"), keras.Input((3,), name="other")]
    x = layers.Dense(5, activation="tanh")(layers.Concatenate()(ports))
    x = layers.BatchNormalization(momentum=0.5)(x)
    model = keras.Model(ports, layers.Dense(3, activation="softmax")(x))
    model.compile(
        optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["acc"]
    )
    return model


def compare(makers: Any) -> None:
    """Compare figures, predictions, weights and slots after some training.

    All batches are of 8, as Keras compiles anew for others.
    """
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(24, n)).astype(np.float32) for n in (4, 3)]
    y = rng.integers(0, 3, 24)
    models = [make(makers()) for _ in range(2)]
    found = []
    for model in (models[0], pl.compile(models[1], threads=1)):
        history = model.fit(
            x,
            y,
            epochs=2,
            batch_size=8,
            shuffle=False,
            verbose=0,
            validation_split=1 / 3,
        ).history
        batch = [array[:8] for array in x]
        found.append(
            [
                *history.values(),
                model.train_on_batch(batch, y[:8]),
                model.test_on_batch(batch, y[:8]),
                model.evaluate(x, y, batch_size=8, verbose=0),
                model.predict(x, batch_size=8, verbose=0),
                model.predict_on_batch(batch),
                *(v.numpy() for v in (*model.variables, *model.optimizer.variables)),
            ]
        )
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=TOLERANCE)


def main() -> None:
    """Compare a fused step, and one whose update is Keras's."""
    compare(lambda: keras.optimizers.SGD(0.05, momentum=0.9))
    compare(lambda: keras.optimizers.Adagrad(0.05))
    sys.stdout.write(keras.backend.backend())


if __name__ == "__main__":
    main()
