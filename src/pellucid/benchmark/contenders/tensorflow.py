"""TensorFlow, idiomatic: Keras layers in a tf.function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import engines
from pellucid.benchmark.case import Case
from pellucid.benchmark.contenders.models import (
    LEARNING_RATE,
    build_model,
    strip_softmax,
    use_same_padding,
)
from pellucid.benchmark.inputs import Array, load_batches
from pellucid.engines.tensorflow.imports import keras, quiet, tf


def trainer(
    case: Case,
    *,
    xla: bool = False,
    eager: bool = False,
    threads: int | None = None,
) -> Callable[[int], float]:
    """Return a training step: forward, backward, Adam."""
    tf.config.run_functions_eagerly(eager)
    net = keras_model(case, threads)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    data = [(tf.constant(x), tf.constant(y)) for x, y in load_batches(case)]

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def update(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=labels, logits=net(images, training=True)
            )
            loss = tf.reduce_mean(losses)
        variables = net.trainable_variables
        grads = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(grads, variables, strict=True))
        return loss

    optimizer.build(net.trainable_variables)
    return lambda i: float(update(*data[i % len(data)]))


def predictor(
    case: Case, *, xla: bool = False, threads: int | None = None
) -> Callable[[int], Array]:
    """Return the graph's output for an array, as an array."""
    net = keras_model(case, threads)
    data = [x for x, _ in load_batches(case)]

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def forward(images: Any) -> Any:
        return net(images, training=False)

    def predict(i: int) -> Array:
        array: Array = forward(tf.constant(data[i % len(data)])).numpy()
        return array

    return predict


def keras_model(case: Case, threads: int | None = None) -> Any:
    """Return the network as a Keras model that gives logits."""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    network = use_same_padding(strip_softmax(case.network))
    with quiet():
        return build_model(case, engines.make("tensorflow"), network).native
