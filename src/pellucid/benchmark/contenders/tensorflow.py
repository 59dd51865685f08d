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
from pellucid.benchmark.inputs import choose_losses, load_batches
from pellucid.engines.ports import join
from pellucid.engines.protocol import Arrays
from pellucid.engines.tensorflow.imports import keras, quiet, tf

#: of labels and an output, for each example or element
_LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "cross_entropy": lambda labels, logits: (
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    ),
    "mse": tf.math.squared_difference,
}


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
    losses = [_LOSSES[kind] for kind in choose_losses(case.network).values()]
    data = [
        ([tf.constant(x) for x in images], [tf.constant(y) for y in labels])
        for images, labels in load_batches(case)
    ]

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def update(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            ends = zip(losses, _call(net, images, training=True), labels, strict=True)
            loss = tf.add_n([tf.reduce_mean(of(y, x)) for of, x, y in ends])
        variables = net.trainable_variables
        grads = tape.gradient(loss, variables)
        optimizer.apply_gradients(zip(grads, variables, strict=True))
        return loss

    optimizer.build(net.trainable_variables)
    return lambda i: float(update(*data[i % len(data)]))


def predictor(
    case: Case, *, xla: bool = False, threads: int | None = None
) -> Callable[[int], Arrays]:
    """Return the graph's outputs for arrays, as arrays."""
    net = keras_model(case, threads)
    data = [images for images, _ in load_batches(case)]

    @tf.function(jit_compile=xla)  # type: ignore[untyped-decorator]
    def forward(images: Any) -> Any:
        return _call(net, images, training=False)

    def predict(i: int) -> Arrays:
        found = forward([tf.constant(x) for x in data[i % len(data)]])
        return join([value.numpy() for value in found])

    return predict


def _call(net: Any, images: list[Any], *, training: bool) -> list[Any]:
    """Return all outputs of a model that takes and gives one alone, or lists."""
    found = net(join(images), training=training)
    return list(found) if isinstance(found, list | tuple) else [found]


def keras_model(case: Case, threads: int | None = None) -> Any:
    """Return the network as a Keras model that gives logits."""
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    network = use_same_padding(strip_softmax(case.network))
    with quiet():
        return build_model(case, engines.make("tensorflow"), network).native
