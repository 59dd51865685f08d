"""Layers so wide that their kernels loop over vectors, against the numpy engine."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pellucid import engines
from pellucid.engines.state import initial_state
from pellucid.network import Network, layers
from pellucid.objectives import SGD, CrossEntropy, as_loss

pytestmark = pytest.mark.sweep(every=3)


def chain(*parts, size):
    x = image = layers.Input(*size)
    for part in parts:
        x = part(x)
    return Network(inputs=image, outputs=x)


def pooled(first, out, kernel_size, **how):
    """Return a convolution of so many channels behind which ReLU and a pool come."""
    return [
        layers.Conv2D(first, 1),
        layers.Conv2D(out, kernel_size, activation="relu", **how),
        layers.MaxPool2D(2),
    ]


CASES = {
    "softmax": lambda: [layers.Conv2D(333, 1), layers.Softmax()],
    "layer norm": lambda: [layers.Conv2D(333, 1), layers.LayerNorm()],
    "sigmoid": lambda: [layers.Conv2D(333, 1), layers.Sigmoid(), layers.Dense(3)],
    "many inputs": lambda: pooled(600, 20, 3, padding=1),
    "many outputs": lambda: pooled(17, 330, 3, padding=1),
    "a large kernel": lambda: pooled(72, 200, 5),
    "few channels, a larger kernel": lambda: pooled(4, 140, (9, 7)),
    "dilated": lambda: pooled(100, 40, 3, dilation=2),
}


@pytest.mark.parametrize("options", [{}, {"lanes": 4, "winograd": False}])
@pytest.mark.parametrize("case", CASES)
def test_wide_layers_agree_with_numpy(twins, case, options):
    pair = twins(chain(*CASES[case](), size=(10, 10, 3)), threads=1, **options)
    pair.check_forward(2)
    pair.check_vjp(2)


@pytest.mark.parametrize("weight", [None, np.array([0.5, 2.0, 0.0])])
@pytest.mark.parametrize(
    "loss", ["cross_entropy", "soft", "binary_cross_entropy", "mse"]
)
def test_losses_of_many_classes_agree_with_numpy(twins, loss, weight):
    random = np.random.default_rng(0)
    labels = {
        "cross_entropy": random.integers(0, 1003, 3),
        "soft": random.dirichlet(np.ones(1003), 3),
    }.get(loss, random.random((3, 1003)))
    given = CrossEntropy(label_smoothing=0.1) if loss == "soft" else as_loss(loss)
    pair = twins(chain(layers.Dense(1003), size=(7,)), loss=given, threads=1)
    pair.check_learning(labels, sample_weight=weight)


def test_a_thread_with_a_small_stack_trains_and_predicts():
    # 256 × 256 windows and 3000 outputs took 0.5 MB of stack
    network = chain(
        *pooled(8, 8, 3, padding=1),
        layers.GlobalAvgPool2D(),
        layers.Dense(3000),
        size=(512, 512, 1),
    )
    state = initial_state(network, seed=0, dtype="float32")
    session = engines.make("compiled", threads=2).build(
        network, state=state, loss=CrossEntropy(), optimizer=SGD()
    )
    x, found = np.ones((2, 512, 512, 1), np.float32), []

    def work():
        session.predict(x)
        found.append(session.train_step(x, np.zeros(2, int), learning_rate=0.1).loss)
        found.append(session.vjp(x, np.ones((2, 3000), np.float32))[0].shape)

    before = threading.stack_size(128 * 1024)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert np.isfinite(found[0])
    assert found[1] == x.shape
