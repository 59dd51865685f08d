"""Keras, idiomatic: `fit` on a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import LEARNING_RATE
from pellucid.benchmark.contenders.tensorflow import keras_model
from pellucid.benchmark.inputs import load_batches
from pellucid.engines.tensorflow.imports import keras, tf


def trainer(case: Case) -> Callable[[int], float]:
    """Return a pass of `Model.fit` over ready batches; it returns their mean loss."""
    net = keras_model(case)
    net.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images, labels = (
        np.stack(arrays) for arrays in zip(*load_batches(case), strict=True)
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).prefetch(2)

    def fit(i: int) -> float:
        del i
        history = net.fit(data, verbose=0, shuffle=False)
        return float(history.history["loss"][0])

    return fit
