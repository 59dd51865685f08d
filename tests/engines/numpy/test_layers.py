"""Every other layer: derivatives against central differences in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracles.differences import central, relative_error

import pellucid as pl
from pellucid.engines.numpy.layers import FORWARD, Mode, run
from pellucid.network.layers import LAYERS, kinds_of

TRAINING = Mode(is_training=True)
CASES: list[tuple[Any, list[tuple[int, ...]]]] = [
    (pl.Dense(4), [(5,)]),
    (pl.Dense(4, bias=False), [(2, 3, 5)]),
    (pl.BatchNorm(), [(3, 2, 4)]),
    (pl.BatchNorm(momentum=0.3, epsilon=0.1), [(4,)]),
    (pl.BatchNorm(trainable=False), [(3, 2, 4)]),
    (pl.LayerNorm(), [(3, 2, 5)]),
    (pl.LayerNorm(epsilon=0.1), [(5,)]),
    (pl.LocalResponseNorm(size=3, alpha=2.0), [(2, 2, 5)]),
    (pl.LocalResponseNorm(size=9, alpha=0.5, beta=1.5, bias=2.0), [(2, 1, 3)]),
    (pl.Conv1D(4, 3, stride=2, padding=(2, 1)), [(7, 3)]),
    (pl.Conv1D(4, 2, dilation=2, groups=2, padding="same", bias=False), [(6, 4)]),
    (pl.MaxPool1D(3, stride=2, padding=1), [(7, 3)]),
    (pl.AvgPool1D(3, stride=2, padding="same"), [(6, 3)]),
    (pl.GlobalAvgPool1D(), [(5, 3)]),
    (pl.LSTM(3), [(4, 2)]),
    (pl.LSTM(2, return_sequences=True, reverse=True), [(4, 3)]),
    (pl.GRU(3, return_sequences=True), [(4, 2)]),
    (pl.GRU(2, reverse=True, reset_after=False), [(4, 3)]),
    (pl.SimpleRNN(3, bias=False, return_sequences=True), [(4, 2)]),
    (pl.GroupNorm(2), [(3, 2, 6)]),
    (pl.GroupNorm(1, epsilon=0.1), [(5, 4)]),
    (pl.GroupNorm(2), [(6,)]),
    (pl.InstanceNorm(), [(3, 2, 4)]),
    (pl.InstanceNorm(epsilon=0.1), [(5, 4)]),
    (pl.L2Normalize(), [(3, 4)]),
    (pl.L2Normalize(epsilon=2.0), [(3, 2, 4)]),
    (pl.PReLU(), [(3, 2, 4)]),
    (pl.PReLU(shared=True), [(3, 4)]),
    (pl.Rescale(0.5, -2.0), [(3, 4)]),
    (pl.Rescale((0.5, 2.0, -1.0), (1.0, 0.0, 3.0)), [(2, 2, 3)]),
    (pl.GlobalMaxPool2D(), [(3, 4, 2)]),
    (pl.ReLU(), [(3, 4)]),
    (pl.LeakyReLU(), [(3, 4)]),
    (pl.LeakyReLU(slope=0.3), [(3, 4)]),
    (pl.Sigmoid(), [(3, 4)]),
    (pl.Tanh(), [(3, 4)]),
    (pl.GELU(), [(3, 4)]),
    (pl.SiLU(), [(3, 4)]),
    (pl.ReLU6(), [(3, 4)]),
    (pl.Clip(-0.5, 0.7), [(3, 4)]),
    (pl.Clip(minimum=-0.2), [(3, 4)]),
    (pl.Clip(maximum=0.3), [(3, 4)]),
    (pl.HardSigmoid(), [(3, 4)]),
    (pl.HardSwish(), [(3, 4)]),
    (pl.ELU(), [(3, 4)]),
    (pl.ELU(1.7), [(3, 4)]),
    (pl.Softplus(), [(3, 4)]),
    (pl.Mish(), [(3, 4)]),
    (pl.Elementwise(lambda x: x * pl.math.sigmoid(1.702 * x)), [(3, 4)]),
    (pl.LogSoftmax(), [(3, 4)]),
    (pl.Softmax(), [(3, 4)]),
    (pl.Flatten(), [(3, 2, 2)]),
    (pl.ZeroPad2D(((1, 0), (2, 3))), [(3, 2, 2)]),
    (pl.Upsample2D((2, 3)), [(3, 2, 2)]),
    (pl.Upsample2D(2, mode="bilinear"), [(3, 1, 2)]),
    (pl.Upsample2D((3, 2), mode="bilinear"), [(2, 4, 2)]),
    (pl.Add(), [(3, 2), (3, 2), (3, 2)]),
    (pl.Add(), [(3, 2), (2,), (3, 1)]),
    (pl.Subtract(), [(3, 2), (3, 2)]),
    (pl.Subtract(), [(1, 2), (3, 1)]),
    (pl.Multiply(), [(3, 2), (3, 2), (3, 2)]),
    (pl.Multiply(), [(2, 3, 4), (4,)]),
    (pl.Multiply(), [(2, 3, 1), (2, 1, 4), (1, 1, 1)]),
    (pl.Maximum(), [(3, 2), (3, 2), (3, 2)]),
    (pl.Maximum(), [(2, 3, 4), (4,), (2, 3, 1)]),
    (pl.Concat(), [(3, 2), (3, 4)]),
    (pl.Concat(axis=0), [(3, 2), (5, 2)]),
    (pl.Concat(axis=1), [(2, 3, 2), (2, 1, 2)]),
    (pl.MatMul(), [(3, 2), (2, 4)]),
    (pl.MatMul(transpose_a=True, scale=-0.7), [(2, 4, 3), (2, 4, 2)]),
    (pl.MatMul(transpose_b=True), [(2, 1, 2, 3), (3, 4, 3)]),
    (pl.MatMul(True, True), [(4, 2), (2, 3, 4)]),
    (pl.Parameter((2, 3)), [(4, 2)]),
    (pl.Slice(1, 3), [(2, 2, 4)]),
    (pl.Slice((0, -1), (None, None), (2, -2), axis=(0, 2)), [(3, 2, 5)]),
    (pl.Reshape((-1, 2)), [(3, 2, 2)]),
    (pl.Reshape(6), [(3, 2)]),
    (pl.Permute((2, 0, 1)), [(3, 2, 4)]),
    (pl.Permute((1, 3, 0, 2)), [(2, 3, 2, 2)]),
    (pl.Crop2D(((1, 0), (2, 1))), [(3, 5, 2)]),
    (pl.PadChannels(1, 2), [(2, 2, 3)]),
    (pl.PadChannels(after=1), [(4,)]),
    (pl.DepthToSpace(2), [(2, 3, 8)]),
    (pl.DepthToSpace(2, "CRD"), [(2, 3, 8)]),
    (pl.SpaceToDepth(2), [(4, 2, 3)]),
    (pl.SpaceToDepth(2, "CRD"), [(4, 2, 3)]),
    (pl.ChannelShuffle(3), [(2, 2, 6)]),
    (pl.Resize((5, 2), coordinates="asymmetric", rounding="ceil"), [(3, 4, 2)]),
    (pl.Resize((5, 3), mode="bicubic", cubic=-0.5), [(3, 4, 2)]),
    (pl.Resize(scale=(1.7, 0.6), mode="bilinear"), [(3, 4, 2)]),
    (pl.Resize((5, 1), mode="bilinear", coordinates="align_corners"), [(3, 4, 2)]),
]


@pytest.mark.parametrize(("layer", "shapes"), CASES, ids=lambda v: repr(v)[:40])
def test_derivatives_equal_central_differences(layer: Any, shapes: Any) -> None:
    random = np.random.default_rng(1)
    inputs = tuple(random.standard_normal((3, *shape)) for shape in shapes)
    weights = {
        spec.role: random.uniform(0.5, 2, spec.shape) for spec in layer.weights(*shapes)
    }
    forward = run(layer, inputs, weights, TRAINING)
    grad_y = random.standard_normal(forward.output.shape)

    def loss(_: Any) -> float:
        return float(np.vdot(run(layer, inputs, weights, TRAINING).output, grad_y))

    for x, grad_x in zip(inputs, forward.grad_inputs(grad_y), strict=True):
        assert relative_error(grad_x, central(loss, x)) <= 1e-7
    for role, grad in forward.grad_weights(grad_y).items():
        assert relative_error(grad, central(loss, weights[role])) <= 1e-7
    assert forward.output.shape[1:] == layer.output_shape(*shapes)


def test_every_layer_of_the_description_is_there() -> None:
    known = {k for k in LAYERS.values() if FORWARD.keys() & set(kinds_of(k))}
    assert known == set(LAYERS.values()) - {pl.Input}


def test_a_product_with_zeros_has_its_derivatives() -> None:
    inputs = np.array([[0.0]]), np.array([[0.0]]), np.array([[3.0]])
    grads = run(pl.Multiply(), inputs, {}, TRAINING).grad_inputs(np.ones((1, 1)))
    assert [float(grad[0, 0]) for grad in grads] == [0, 0, 0]
    inputs = np.array([[2.0]]), np.array([[0.0]]), np.array([[3.0]])
    grads = run(pl.Multiply(), inputs, {}, TRAINING).grad_inputs(np.ones((1, 1)))
    assert [float(grad[0, 0]) for grad in grads] == [0, 6, 0]


def test_of_equal_values_the_first_is_the_maximum_and_nan_wins() -> None:
    inputs = np.array([[1.0, np.nan, 2.0]]), np.array([[1.0, 5.0, np.nan]])
    forward = run(pl.Maximum(), inputs, {}, TRAINING)
    np.testing.assert_array_equal(forward.output, [[1, np.nan, np.nan]])
    first, second = forward.grad_inputs(np.ones((1, 3)))
    np.testing.assert_array_equal(first, [[1, 1, 0]])
    np.testing.assert_array_equal(second, [[0, 0, 1]])


def test_relu_has_slope_zero_at_zero_and_passes_nan() -> None:
    forward = run(pl.ReLU(), (np.array([0.0, np.nan, -1.0]),), {}, TRAINING)
    np.testing.assert_array_equal(forward.output, [0, np.nan, 0])
    (grad,) = forward.grad_inputs(np.ones(3))
    assert grad[0] == 0


def test_gelu_is_the_exact_form() -> None:
    x = np.array([-2.0, -0.1, 0.5, 3.0])
    expected = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x]
    y = run(pl.GELU(), (x,), {}, TRAINING).output
    np.testing.assert_allclose(y, expected, rtol=1e-14)


def test_log_softmax_does_not_overflow() -> None:
    x = np.array([[-2000.0, 0.0, 1000.0]])
    y = run(pl.LogSoftmax(), (x,), {}, TRAINING).output
    np.testing.assert_array_equal(y, [[-3000, -1000, 0]])


def test_sigmoid_and_softmax_do_not_overflow() -> None:
    x = np.array([[-1000.0, 0.0, 1000.0]])
    np.testing.assert_array_equal(
        run(pl.Sigmoid(), (x,), {}, TRAINING).output, [[0, 0.5, 1]]
    )
    np.testing.assert_array_equal(
        run(pl.Softmax(), (x,), {}, TRAINING).output, [[0, 0, 1]]
    )


def test_batch_norm_keeps_the_biased_variance() -> None:
    x = np.random.default_rng(0).standard_normal((6, 2, 2, 3))
    weights = {
        "scale": np.ones(3),
        "offset": np.zeros(3),
        "running_mean": np.full(3, 5.0),
        "running_variance": np.full(3, 7.0),
    }
    forward = run(pl.BatchNorm(), (x,), weights, TRAINING)
    mean, variance = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
    np.testing.assert_allclose(forward.buffers["running_mean"], 4.5 + 0.1 * mean)
    np.testing.assert_allclose(
        forward.buffers["running_variance"], 6.3 + 0.1 * variance
    )
    still = run(pl.BatchNorm(), (x,), weights, Mode(is_training=False))
    assert not still.buffers
    np.testing.assert_allclose(still.output, (x - 5) / np.sqrt(7 + 1e-5))


def test_bilinear_upsampling_uses_half_pixel_centres() -> None:
    x = np.array([0.0, 1.0]).reshape(1, 1, 2, 1)
    y = run(pl.Upsample2D((1, 2), mode="bilinear"), (x,), {}, TRAINING).output
    np.testing.assert_allclose(y.ravel(), [0, 0.25, 0.75, 1])


def test_dropout_multiplies_by_its_mask_in_training_only() -> None:
    x, mask = np.ones((2, 3)), np.array([[2.0, 0, 2], [0, 2, 0]])
    forward = run(pl.Dropout(0.5), (x,), {}, Mode(is_training=True, mask=mask))
    np.testing.assert_array_equal(forward.output, mask)
    np.testing.assert_array_equal(forward.grad_inputs(x)[0], mask)
    assert run(pl.Dropout(0.5), (x,), {}, Mode(is_training=False)).output is x
