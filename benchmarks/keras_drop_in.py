"""A Keras model through `pl.compile` beside Keras's own `fit`.

Run: ``python benchmarks/keras_drop_in.py [--rounds 5] [--batches 40]``.
One thread each, processor time of an epoch of Keras's MNIST example at batches of 128,
on arrays: Keras (with and without XLA), the drop-in, and Keras's own loop with a step
that does nothing, which is the least that any step costs there. They take turns; the
ratios are medians of rounds, with their range. Pellucid's own step stands beside them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import pellucid as pl

BATCH = 128


def network(*, jit: bool) -> Any:
    """Return the example's network, compiled as there."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        loss="categorical_crossentropy",
        optimizer="adam",
        metrics=["accuracy"],
        jit_compile=jit,
    )
    return model


def epochs_of(batches: int) -> dict[str, Callable[[], Any]]:
    """Return what runs an epoch, by name."""
    random = np.random.default_rng(0)
    count = BATCH * batches
    x = random.random((count, 28, 28, 1), np.float32)
    classes = random.integers(0, 10, count)
    y = keras.utils.to_categorical(classes, 10)
    empty = network(jit=False)
    empty.make_train_function = lambda force=False: None
    empty.train_function = lambda iterator: next(iterator) and {}
    empty._get_metrics_result_or_logs = lambda logs: {}
    models = {
        "Keras": network(jit=False),
        "Keras, XLA": network(jit=True),
        "drop-in": pl.compile(network(jit=False), threads=1),
        "an empty step": empty,
    }
    own = pl.exchange.read(
        network(jit=False),
        engine=pl.engines.compiled(threads=1),
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
    )

    def steps() -> None:
        for start in range(0, count, BATCH):
            part = slice(start, start + BATCH)
            own._session.train_step(x[part], classes[part], learning_rate=1e-3)

    def epoch(model: Any) -> Callable[[], Any]:
        return lambda: model.fit(x, y, batch_size=BATCH, verbose=0)

    return {name: epoch(model) for name, model in models.items()} | {
        "pellucid's own steps": steps
    }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, default=40)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    epochs = epochs_of(options.batches)
    seconds: dict[str, list[float]] = {name: [] for name in epochs}
    for name, run in epochs.items():
        start = time.perf_counter()
        run()
        print(f"{name:22} first epoch {time.perf_counter() - start:6.2f} s")
    for _ in range(options.rounds):
        for name, run in epochs.items():
            start = time.process_time()
            run()
            seconds[name].append(time.process_time() - start)
    best = [min(pair) for pair in zip(*list(seconds.values())[:2], strict=True)]
    for name, found in seconds.items():
        ratios = sorted(b / mine for b, mine in zip(best, found, strict=True))
        print(
            f"{name:22} {1000 * statistics.median(found):8.0f} ms an epoch, "
            f"{statistics.median(ratios):5.2f} × the better of Keras's "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


if __name__ == "__main__":
    main()
