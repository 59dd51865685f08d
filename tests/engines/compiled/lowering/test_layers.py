"""Every layer on the compiled engine against the numpy engine."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.network import Network, layers, zoo

pytestmark = pytest.mark.sweep(every=2)


def chain(*parts, size=(9, 8, 5)):
    x = image = layers.Input(*size)
    for part in parts:
        x = part(x)
    return Network(inputs=image, outputs=x)


def branched(join, **more):
    image = layers.Input(6, 5, 3)
    x = layers.Conv2D(4, kernel_size=3, padding="same")(image)
    y = layers.ReLU()(x)
    z = layers.Conv2D(4, kernel_size=3, padding="same", activation="tanh")(y)
    out = join(**more)(x, z, y)
    return Network(inputs=image, outputs=layers.Dense(3)(layers.Flatten()(out)))


PAD = ((1, 2), (0, 1))
CASES = {
    "conv": [layers.Conv2D(7, kernel_size=3)],
    "conv wide": [layers.Conv2D(37, kernel_size=(2, 3), padding="same", bias=False)],
    "conv strided": [layers.Conv2D(6, kernel_size=3, stride=(2, 3), padding=PAD)],
    "conv dilated": [layers.Conv2D(4, kernel_size=3, dilation=2, padding=2)],
    "conv grouped": [
        layers.Conv2D(6, kernel_size=1),
        layers.Conv2D(9, kernel_size=3, groups=3, padding=1),
    ],
    "conv depthwise": [
        layers.Conv2D(20, kernel_size=1),
        layers.Conv2D(20, kernel_size=3, groups=20, padding=1, stride=2),
    ],
    "conv relu pool": [
        layers.Conv2D(18, kernel_size=3, padding=1, activation="relu"),
        layers.MaxPool2D(2),
        layers.Conv2D(33, kernel_size=3, activation="relu"),
        layers.MaxPool2D(2),
    ],
    "conv leaky pool": [
        layers.Conv2D(18, kernel_size=3, padding=1, activation="leaky_relu"),
        layers.AvgPool2D(2),
        layers.Conv2D(16, kernel_size=3, padding=1, activation="leaky_relu"),
        layers.MaxPool2D(2),
    ],
    "conv transposed": [layers.ConvTranspose2D(6, kernel_size=3, stride=2)],
    "conv transposed same": [
        layers.ConvTranspose2D(
            4, kernel_size=3, stride=2, padding="same", activation="relu"
        ),
        layers.ConvTranspose2D(3, kernel_size=2, stride=3, dilation=2, bias=False),
    ],
    "conv transposed grouped": [
        layers.Conv2D(6, kernel_size=1),
        layers.ConvTranspose2D(
            4, kernel_size=3, stride=2, groups=2, padding=1, output_padding=1
        ),
    ],
    "max pool": [layers.MaxPool2D(3, stride=2, padding=1)],
    "max pool side by side": [
        layers.Conv2D(9, kernel_size=3, padding=1),
        layers.MaxPool2D((2, 3)),
    ],
    "max pool overlapping": [layers.MaxPool2D((3, 2), stride=1, padding="same")],
    "avg pool": [layers.AvgPool2D(3, stride=2, padding="same")],
    "avg pool odd": [layers.AvgPool2D((3, 4), stride=(3, 1), padding=PAD)],
    "global avg": [layers.GlobalAvgPool2D()],
    "dense": [layers.Flatten(), layers.Dense(19), layers.Dense(3, bias=False)],
    "dense on pixels": [layers.Dense(7, activation="relu")],
    "batch norm": [layers.BatchNorm()],
    "batch norm twice": [
        layers.Conv2D(20, kernel_size=3),
        layers.BatchNorm(momentum=0.7),
        layers.ReLU(),
        layers.BatchNorm(epsilon=1e-2),
    ],
    "batch norm wide": [layers.Conv2D(100, kernel_size=1), layers.BatchNorm()],
    "batch norm features": [layers.Flatten(), layers.Dense(6), layers.BatchNorm()],
    "layer norm": [layers.Conv2D(21, kernel_size=1), layers.LayerNorm()],
    "layer norm features": [layers.Flatten(), layers.LayerNorm(), layers.Dense(2)],
    "local response norm": [
        layers.Conv2D(21, kernel_size=1),
        layers.LocalResponseNorm(size=5, alpha=0.7),
        layers.Conv2D(3, kernel_size=3, padding=1),
    ],
    "local response norm wide": [
        layers.Conv2D(37, kernel_size=1),
        layers.LocalResponseNorm(size=19, alpha=3.0, beta=1.2, bias=0.4),
    ],
    "local response norm narrow": [layers.LocalResponseNorm(size=31, alpha=1.0)],
    "group norm": [
        layers.Conv2D(20, kernel_size=3),
        layers.GroupNorm(5),
        layers.Conv2D(3, kernel_size=3, padding=1),
    ],
    "group norm of one and wide": [
        layers.Dense(150),
        layers.GroupNorm(1, epsilon=1e-3),
        layers.GroupNorm(75),
    ],
    "group norm features": [layers.Flatten(), layers.Dense(12), layers.GroupNorm(2)],
    "instance norm": [layers.InstanceNorm(), layers.Conv2D(2, kernel_size=3)],
    "l2 normalize": [layers.L2Normalize(), layers.Conv2D(2, kernel_size=3, padding=1)],
    "l2 normalize wide": [layers.Dense(150), layers.L2Normalize(epsilon=9.0)],
    "prelu": [layers.Conv2D(19, kernel_size=3), layers.PReLU(), layers.Conv2D(3, 3)],
    "prelu shared": [layers.PReLU(shared=True), layers.Conv2D(3, 3, padding=1)],
    "prelu wide": [layers.Dense(150), layers.PReLU(), layers.PReLU(shared=True)],
    "rescale": [layers.Rescale(0.5, -1.0), layers.Conv2D(3, 3, padding=1)],
    "rescale channels": [
        layers.Rescale((1.0, 2.0, 3.0, -4.0, 0.5), (0.0, 1.0, 2.0, 3.0, 4.0))
    ],
    "rescale wide": [
        layers.Dense(150),
        layers.Rescale(tuple(n / 9 for n in range(150)), 1.0),
        layers.Conv2D(2, kernel_size=3, padding=1),
    ],
    "global max": [layers.Conv2D(19, kernel_size=3), layers.GlobalMaxPool2D()],
    "zero pad": [layers.ZeroPad2D(PAD), layers.Conv2D(3, kernel_size=2, padding=1)],
    "nearest": [layers.Upsample2D((2, 3))],
    "bilinear": [layers.Upsample2D((3, 2), mode="bilinear")],
    "softmax": [layers.Softmax()],
    "softmax wide": [layers.Conv2D(35, kernel_size=1), layers.Softmax()],
    "relu": [layers.ReLU()],
    "leaky relu": [layers.LeakyReLU(slope=0.2)],
    "leaky relu negative": [
        layers.Conv2D(5, kernel_size=1, activation=layers.LeakyReLU(slope=-0.5))
    ],
    "sigmoid": [layers.Sigmoid(), layers.Conv2D(3, kernel_size=3, padding=1)],
    "tanh": [layers.Tanh()],
    "gelu": [layers.Conv2D(6, kernel_size=1, activation="gelu"), layers.GELU()],
    "silu": [layers.Conv2D(6, kernel_size=1, activation="silu"), layers.SiLU()],
    "dropout": [
        layers.Dropout(0.4),
        layers.Conv2D(3, kernel_size=2),
        layers.Dropout(0),
    ],
}


def fresh(parts):
    """Return new layers: a layer object stands at one place only."""
    import dataclasses

    return [dataclasses.replace(part) for part in parts]


@pytest.mark.parametrize("case", CASES)
def test_every_layer_agrees_with_numpy_forward(twins, case):
    twins(chain(*fresh(CASES[case]))).check_forward()


@pytest.mark.parametrize("case", CASES)
def test_every_layer_agrees_with_numpy_backward(twins, case):
    pair = twins(chain(*fresh(CASES[case])))
    pair.check_vjp()
    pair.check_vjp(count=11)


@pytest.mark.parametrize(
    "join", [layers.Add, layers.Concat, layers.Maximum, layers.Multiply]
)
def test_branches_meet_and_part(twins, join):
    pair = twins(branched(join))
    pair.check_forward()
    pair.check_vjp()


def gated(kind, shape, *gates, after=()):
    """Return an image combined with values of other shapes, all made from it."""
    image, made = layers.Input(*shape), []
    for gate in gates:
        if len(gate) == 1:
            flat = layers.GlobalAvgPool2D()(image)
            made.append(layers.Dense(gate[0], activation="sigmoid")(flat))
        else:
            size = tuple(n - m + 1 for n, m in zip(shape[:2], gate[:2], strict=True))
            made.append(layers.Conv2D(gate[2], kernel_size=size)(image))
    x = kind()(image, *made)
    for layer in after:
        x = layer(x)
    return Network(inputs=image, outputs=x)


GATES = {
    "per channel": ((6, 5, 19), (19,)),
    "per channel, as an image": ((6, 5, 3), (1, 1, 3)),
    "per pixel": ((6, 5, 37), (6, 5, 1)),
    "per row": ((4, 5, 16), (4, 1, 16)),
    "one number": ((4, 5, 3), (1, 1, 1)),
    "one channel": ((4, 5, 1), (1,)),
    "several": ((4, 5, 6), (6,), (4, 5, 1), (4, 5, 6)),
    "the smaller first": ((1, 5, 1), (1,), (1, 1, 1)),
}


@pytest.mark.parametrize("kind", ["Add", "Maximum", "Multiply", "Subtract"])
@pytest.mark.parametrize("case", GATES)
def test_values_of_other_shapes_are_stretched(twins, kind, case):
    shape, *gates = GATES[case]
    if kind == "Subtract":
        gates = gates[:1]
    conv = layers.Conv2D(3, kernel_size=3, padding=1)
    pair = twins(gated(getattr(layers, kind), shape, *gates, after=(conv,)))
    pair.check_forward()
    pair.check_vjp()


def test_a_gate_with_many_channels_and_a_wide_outer_product(twins):
    pair = twins(gated(layers.Multiply, (2, 3, 150), (150,)))
    pair.check_forward()
    pair.check_vjp()
    image = layers.Input(4, 5, 3)
    column = layers.Conv2D(1, kernel_size=(1, 5))(image)
    row = layers.Conv2D(7, kernel_size=(4, 1))(image)
    pair = twins(Network(inputs=image, outputs=layers.Multiply()(column, row)))
    pair.check_forward()
    pair.check_vjp()


def test_values_of_more_axes_than_an_image(twins):
    entry = layers.Input(2, 3, 4, 5)
    x = layers.Dense(1)(entry)
    out = layers.Multiply()(layers.Subtract()(entry, x), x)
    pair = twins(Network(inputs=entry, outputs=out))
    pair.check_forward()
    pair.check_vjp()


def test_a_value_with_itself(twins):
    image = layers.Input(3, 4, 5)
    x = layers.Conv2D(5, kernel_size=1)(image)
    out = layers.Add()(layers.Multiply()(x, x), x)
    pair = twins(Network(inputs=image, outputs=out))
    pair.check_forward()
    pair.check_vjp()


def test_a_residual_block(twins):
    image = layers.Input(6, 6, 18)
    x = layers.ReLU()(layers.BatchNorm()(image))
    y = layers.Conv2D(18, kernel_size=3, padding=1, bias=False)(x)
    y = layers.ReLU()(layers.BatchNorm()(y))
    y = layers.BatchNorm()(layers.Conv2D(18, kernel_size=3, padding=1)(y))
    out = layers.GlobalAvgPool2D()(layers.ReLU()(layers.Add()(y, x)))
    pair = twins(Network(inputs=image, outputs=layers.Dense(2)(out)))
    pair.check_forward()
    pair.check_vjp()


def test_an_input_that_several_nodes_read(twins):
    image = layers.Input(6, 6, 1)
    a = layers.Conv2D(3, kernel_size=3)(image)
    b = layers.MaxPool2D(3, stride=1)(image)
    out = layers.Flatten()(layers.Concat()(a, b, layers.ReLU()(a)))
    pair = twins(Network(inputs=image, outputs=layers.Dense(2)(out)))
    pair.check_forward()
    pair.check_vjp()


def test_features_without_an_image(twins):
    pair = twins(chain(layers.Dense(5, activation="tanh"), layers.Dense(2), size=(3,)))
    pair.check_forward()
    pair.check_vjp()


@pytest.mark.parametrize(
    "parts",
    [
        [layers.Conv1D(7, 3), layers.ReLU(), layers.Conv1D(18, 5, padding="same")],
        [layers.Conv1D(33, 4, stride=3, padding=(2, 0)), layers.GlobalAvgPool1D()],
        [layers.Conv1D(10, 3, dilation=2, groups=5, bias=False), layers.PReLU()],
        [layers.MaxPool1D(2), layers.Conv1D(4, 1), layers.Flatten(), layers.Dense(2)],
        [layers.Conv1D(3, 2), layers.MaxPool1D(3, stride=2, padding=1)],
        [layers.AvgPool1D(3, stride=2, padding="same"), layers.BatchNorm()],
        [layers.LSTM(5, return_sequences=True), layers.LSTM(20, reverse=True)],
        [layers.GRU(18, return_sequences=True, reverse=True), layers.GRU(3)],
        [layers.GRU(33, return_sequences=True, reset_after=False), layers.Dense(2)],
        [layers.SimpleRNN(7, bias=False, return_sequences=True), layers.Flatten()],
    ],
    ids=lambda parts: " ".join(type(part).__name__ for part in parts),
)
def test_layers_of_sequences(twins, parts):
    pair = twins(chain(*fresh(parts), size=(13, 5)))
    pair.check_forward()
    pair.check_vjp()


@pytest.mark.parametrize("size", [(4, 6), (2, 3, 4, 5)])
def test_inputs_of_other_ranks(twins, size):
    pair = twins(
        chain(layers.Dense(7, activation="relu"), layers.LayerNorm(), size=size)
    )
    pair.check_forward()
    pair.check_vjp()


def test_frozen_layers_have_no_derivative_and_pass_it_on(twins):
    network = chain(
        layers.Conv2D(4, kernel_size=3, trainable=False),
        layers.BatchNorm(trainable=False),
        layers.Conv2D(3, kernel_size=3, activation="relu"),
        layers.Flatten(),
        layers.Dense(4, trainable=False),
    )
    pair = twins(network)
    pair.check_vjp()
    pair.check_forward()


@pytest.mark.parametrize("name", ["lenet5", "mnist-torch", "mnist-keras", "resnet20"])
def test_the_zoo_agrees_with_numpy(twins, name):
    network = zoo(name)
    pair = twins(network, loss=_cross_entropy())
    labels = np.arange(5) % 10
    pair.check_learning(labels)
    x = pair.images(5)
    wanted = pair.slow.predict(x.astype(np.float64))
    assert np.abs(pair.fast.predict(x) - wanted).max() < 1e-5 * np.abs(wanted).max()


def _cross_entropy():
    from pellucid.objectives import CrossEntropy

    return CrossEntropy()
