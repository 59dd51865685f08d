"""Keras, idiomatic: `fit` on a `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import LEARNING_RATE
from pellucid.benchmark.contenders.tensorflow import keras_model
from pellucid.benchmark.inputs import choose_losses, load_batches
from pellucid.engines.ports import join
from pellucid.engines.tensorflow.imports import keras, tf

_LOSSES = {
    "cross_entropy": partial(
        keras.losses.SparseCategoricalCrossentropy, from_logits=True
    ),
    "mse": keras.losses.MeanSquaredError,
}


def trainer(case: Case) -> Callable[[int], float]:
    """Return a pass of `Model.fit` over ready batches; it returns their mean loss."""
    net = keras_model(case)
    net.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss=[_LOSSES[kind]() for kind in choose_losses(case.network).values()],
    )
    images, labels = (
        join([np.stack(arrays) for arrays in zip(*ports, strict=True)])
        for ports in zip(*load_batches(case), strict=True)
    )
    data = tf.data.Dataset.from_tensor_slices((images, labels)).prefetch(2)

    def fit(i: int) -> float:
        del i
        history = net.fit(data, verbose=0, shuffle=False)
        return float(history.history["loss"][0])

    return fit
