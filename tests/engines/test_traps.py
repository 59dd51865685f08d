"""Silent errors of docs/traps-between-frameworks.md, one test each.

Each test shows what the plain translation computes; that the engines do not fall in is
what the contract tests show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pellucid import objectives as obj
from pellucid.engines import Engine
from pellucid.engines.state import initial_state
from pellucid.network import Sequential
from pellucid.network import layers as pl

torch = pytest.importorskip("torch")
pytest.importorskip("tensorflow")
jax = pytest.importorskip("jax")

import optax  # noqa: E402

from pellucid.engines.tensorflow.imports import keras, tf  # noqa: E402

F = torch.nn.functional
BATCH = np.array([[1.0], [2.0], [3.0], [6.0]], np.float32)  # variance 3.5


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def nchw(images: np.ndarray) -> Any:
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def nhwc(images: Any) -> np.ndarray:
    return images.permute(0, 2, 3, 1).numpy()


def apart(ours: Any, theirs: Any) -> float:
    return float(np.max(np.abs(np.asarray(ours) - np.asarray(theirs))))


def test_a_dense_weight_after_a_flatten_must_be_permuted_not_only_transposed() -> None:
    images, weight = normal(1, 4, 4, 3), normal(48, 5)
    right = images.reshape(1, -1) @ weight
    flat = nchw(images).flatten(1)
    only_transposed = F.linear(flat, torch.from_numpy(weight.T.copy()))
    order = np.arange(48).reshape(4, 4, 3).transpose(2, 0, 1).ravel()
    permuted = F.linear(flat, torch.from_numpy(weight[order].T.copy()))
    assert apart(only_transposed, right) > 1
    assert apart(permuted, right) < 1e-5


def test_a_convolutions_weight_has_its_axes_turned_round() -> None:
    images, weight = normal(1, 5, 5, 3), normal(3, 3, 3, 3)
    right = tf.nn.conv2d(images, weight, 1, "VALID").numpy()
    kernel = torch.from_numpy(weight)
    turned = F.conv2d(nchw(images), kernel.permute(3, 2, 0, 1))
    in_and_out_swapped = F.conv2d(nchw(images), kernel.permute(2, 3, 0, 1))
    assert apart(nhwc(turned), right) < 1e-5
    assert apart(nhwc(in_and_out_swapped), right) > 1


def test_a_depthwise_weight_is_reshaped_besides() -> None:
    images, weight = normal(1, 5, 5, 2), normal(3, 3, 2, 2)
    right = tf.nn.depthwise_conv2d(images, weight, [1, 1, 1, 1], "VALID").numpy()
    kernel = torch.from_numpy(weight).permute(2, 3, 0, 1).reshape(4, 1, 3, 3)
    mixed_up = torch.from_numpy(weight).permute(3, 2, 0, 1).reshape(4, 1, 3, 3)
    assert apart(nhwc(F.conv2d(nchw(images), kernel, groups=2)), right) < 1e-5
    assert apart(nhwc(F.conv2d(nchw(images), mixed_up, groups=2)), right) > 1


def test_a_transposed_convolutions_weight_has_out_before_in_in_keras() -> None:
    images, weight = normal(1, 3, 3, 2), normal(2, 2, 2, 2)  # kh, kw, in, out
    kernel = torch.from_numpy(weight)
    right = nhwc(F.conv_transpose2d(nchw(images), kernel.permute(2, 3, 0, 1)))
    shape = (1, 4, 4, 2)
    as_it_is = tf.nn.conv2d_transpose(images, weight, shape, 1, "VALID")
    swapped = weight.transpose(0, 1, 3, 2)
    exchanged = tf.nn.conv2d_transpose(images, swapped, shape, 1, "VALID")
    assert apart(as_it_is, right) > 1
    assert apart(exchanged, right) < 1e-5


def test_same_with_stride_2_is_not_padding_1() -> None:
    images, weight = normal(1, 6, 6, 1), normal(3, 3, 1, 1)
    right = tf.nn.conv2d(images, weight, 2, "SAME").numpy()
    x, kernel = nchw(images), torch.from_numpy(weight).permute(3, 2, 0, 1)
    symmetric = nhwc(F.conv2d(x, kernel, stride=2, padding=1))
    asymmetric = nhwc(F.conv2d(F.pad(x, (0, 1, 0, 1)), kernel, stride=2))
    assert symmetric.shape == right.shape  # nothing complains
    assert apart(symmetric, right) > 1
    assert apart(asymmetric, right) < 1e-5


def test_keras_refuses_stride_with_dilation() -> None:
    with pytest.raises(ValueError, match="not supported in conjunction"):
        keras.layers.Conv2D(4, 3, strides=2, dilation_rate=2)


def test_zeros_around_a_max_pool_win_over_negative_numbers() -> None:
    x = -torch.ones(1, 1, 3, 3)
    assert F.max_pool2d(F.pad(x, (0, 1, 0, 1)), 2).flatten().tolist() == [-1, 0, 0, 0]
    same = tf.nn.max_pool2d(x.permute(0, 2, 3, 1).numpy(), 2, 2, "SAME")
    assert np.unique(same) == [-1]


def test_pooling_drops_or_keeps_the_last_row() -> None:
    valid = F.max_pool2d(torch.zeros(1, 1, 5, 5), 2)
    same = tf.nn.max_pool2d(np.zeros((1, 5, 5, 1)), 2, 2, "SAME")
    assert (valid.shape[2], same.shape[1]) == (2, 3)


def test_a_reduction_splits_the_gradient_of_ties_where_a_pool_does_not() -> None:
    def gradient(function: Callable[[Any], Any]) -> list[float]:
        x = torch.ones(1, 1, 2, 2, requires_grad=True)
        function(x).sum().backward()
        return x.grad.flatten().tolist()

    assert gradient(lambda x: F.max_pool2d(x, 2)) == [1, 0, 0, 0]
    assert gradient(lambda x: x.amax((2, 3))) == [0.25] * 4


def test_an_average_pool_counts_the_padding_in_pytorch() -> None:
    ones = np.ones((1, 3, 3, 1), np.float32)
    corner = F.avg_pool2d(nchw(ones), 3, 1, 1)[0, 0, 0, 0].item()
    assert corner == pytest.approx(4 / 9)
    assert tf.nn.avg_pool2d(ones, 3, 1, "SAME")[0, 0, 0, 0] == 1


def test_batch_norms_defaults_differ() -> None:
    theirs, other = keras.layers.BatchNormalization(), torch.nn.BatchNorm1d(1)
    assert (theirs.epsilon, other.eps) == (1e-3, 1e-5)
    assert (theirs.momentum, other.momentum) == (0.99, 0.1)  # kept, and new
    small = normal(64, 1) * 0.03
    with torch.no_grad():
        spread = other(torch.from_numpy(small)).std().item()
    assert theirs(small, training=True).numpy().std() < 0.75 * spread


def test_pytorchs_running_variance_is_unbiased() -> None:
    theirs = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    other = torch.nn.BatchNorm1d(1, momentum=0.1)
    theirs(BATCH, training=True)
    other(torch.from_numpy(BATCH))
    assert theirs.moving_variance.numpy() == pytest.approx(0.9 + 0.1 * 3.5)
    assert other.running_var.item() == pytest.approx(0.9 + 0.1 * 3.5 * 4 / 3)


def test_a_frozen_batch_norm_still_moves_its_statistics_in_pytorch() -> None:
    frozen = torch.nn.BatchNorm1d(1).requires_grad_(False)
    frozen(torch.from_numpy(BATCH))
    assert frozen.running_mean.item() == pytest.approx(0.3)
    theirs = keras.layers.BatchNormalization(trainable=False)
    theirs(BATCH, training=True)
    assert theirs.moving_mean.numpy() == 0


def test_layer_norms_epsilons_differ() -> None:
    theirs, other = keras.layers.LayerNormalization(), torch.nn.LayerNorm(2)
    assert (theirs.epsilon, other.eps) == (1e-3, 1e-5)
    row = np.array([[0.0, 0.02]], np.float32)
    with torch.no_grad():
        assert apart(theirs(row), other(torch.from_numpy(row))) > 0.6


def test_local_response_norms_divide_by_their_size_or_not() -> None:
    pixel = np.full((1, 1, 1, 5), 2.0, np.float32)
    other = F.local_response_norm(nchw(pixel), 5, alpha=1.0, beta=1.0, k=1.0)
    plain = tf.nn.lrn(pixel, 5, bias=1.0, alpha=1.0, beta=1.0).numpy()
    halved = tf.nn.lrn(pixel, 2, bias=1.0, alpha=0.2, beta=1.0).numpy()
    assert nhwc(other)[0, 0, 0, 2] == pytest.approx(2 / (1 + 20 / 5))
    assert plain[0, 0, 0, 2] == pytest.approx(2 / (1 + 20))
    assert apart(halved, nhwc(other)) < 1e-6
    # an even size leans to one side, in ONNX to the other
    row = np.arange(1.0, 4.0, dtype=np.float32).reshape(1, 1, 1, 3)
    even = F.local_response_norm(nchw(row), 2, alpha=2.0, beta=1.0, k=1.0)
    before = nhwc(even)[0, 0, 0, 1]
    assert before == pytest.approx(2 / (1 + 1 + 4))  # itself and the one before
    onnx = pytest.importorskip("onnx")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    node = onnx.helper.make_node(
        "LRN", ["x"], ["y"], size=2, alpha=2.0, beta=1.0, bias=1.0
    )
    rows = np.repeat(nchw(row).numpy(), 3, axis=0)  # as many images as channels:
    after = evaluator(node).run(None, {"x": rows})[0][0, 1, 0, 0]  # it mixes the two
    assert after == pytest.approx(2 / (1 + 4 + 9))  # itself and the one after


def test_one_seed_gives_every_framework_another_dropout_mask() -> None:
    ones = np.ones((1, 64), np.float32)
    keras_mask = keras.layers.Dropout(0.5, seed=0)(ones, training=True).numpy()
    torch.manual_seed(0)
    torch_mask = F.dropout(torch.from_numpy(ones), 0.5).numpy()
    kept = jax.random.bernoulli(jax.random.key(0), 0.5, (1, 64))
    masks = keras_mask, torch_mask, 2.0 * np.asarray(kept)
    assert all(set(np.unique(mask)) == {0, 2} for mask in masks)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (masks[first] != masks[second]).any()


def test_the_derivative_of_a_relu_at_0_depends_on_how_it_is_written() -> None:
    def slope(function: Callable[[Any], Any]) -> float:
        x = torch.zeros((), requires_grad=True)
        function(x).backward()
        return float(x.grad)

    assert slope(F.relu) == 0
    assert slope(lambda x: torch.maximum(x, torch.zeros(()))) == 0.5
    assert slope(lambda x: x.clamp(min=0)) == 1
    assert jax.grad(jax.nn.relu)(0.0) == 0
    assert jax.grad(lambda x: jax.numpy.maximum(x, 0.0))(0.0) == 0.5
    x = tf.Variable(0.0)
    with tf.GradientTape() as tape:
        y = tf.maximum(x, 0.0)
    assert tape.gradient(y, x) == 1


def test_leaky_relus_differ_in_slope_and_in_the_derivative_at_0() -> None:
    minus = np.array([-1.0], np.float32)
    assert float(keras.layers.LeakyReLU()(minus)[0]) == pytest.approx(-0.3)
    assert float(keras.activations.leaky_relu(minus)[0]) == pytest.approx(-0.2)
    assert F.leaky_relu(torch.from_numpy(minus)).item() == pytest.approx(-0.01)
    assert jax.grad(jax.nn.leaky_relu)(0.0) == 1  # the others: the slope
    wide = np.array([-1.0])
    assert abs(tf.nn.leaky_relu(wide, 0.01).numpy()[0] + 0.01) > 1e-10  # float32 slope


def test_gelu_is_an_approximation_by_default_in_jax_and_keras_ops() -> None:
    x = np.linspace(-4, 4, 801)
    narrow = x.astype(np.float32)
    exact = F.gelu(torch.from_numpy(x)).numpy()
    assert 4e-4 < apart(jax.nn.gelu(narrow), exact) < 6e-4
    assert 4e-4 < apart(keras.ops.gelu(narrow), exact) < 6e-4
    assert apart(keras.activations.gelu(narrow), exact) < 1e-5
    assert 1e-9 < apart(tf.nn.gelu(x), exact) < 1e-8  # √2 in float32


def test_enlarging_rounds_in_three_ways() -> None:
    row = torch.arange(7.0)[None, None]
    right = np.repeat(np.arange(7.0), 41)
    nearest = torch.nn.Upsample(scale_factor=41.0, mode="nearest")(row)
    exact = torch.nn.Upsample(scale_factor=41.0, mode="nearest-exact")(row)
    assert (nearest.numpy().ravel() != right).any()
    assert (exact.numpy().ravel() == right).all()
    assert tf.image.resize(np.ones((1, 2, 2, 1)), (4, 4)).dtype == tf.float32
    theirs = F.interpolate(row, scale_factor=2.0, mode="linear", align_corners=True)
    halves = F.interpolate(row, scale_factor=2.0, mode="linear")
    assert apart(theirs, halves) > 0.2


def test_initial_weights_have_other_distributions() -> None:
    layer = keras.layers.Conv2D(32, 3)
    layer.build((None, 8, 8, 16))
    theirs = np.abs(layer.kernel.numpy()).max()
    other = torch.nn.Conv2d(16, 32, 3)
    assert theirs == pytest.approx(0.1179, rel=0.01)
    assert other.weight.abs().max().item() == pytest.approx(0.0833, rel=0.01)
    assert not layer.bias.numpy().any()
    assert other.bias.abs().max() > 0.01


def keras_steps(optimizer: Any, gradient: float, rates: list[float]) -> float:
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for rate in rates:
        optimizer.learning_rate = rate
        optimizer.apply([tf.constant([gradient])], [weight])
    return float(weight.numpy()[0])


def torch_steps(
    make: Callable[[Any], Any], gradient: float, rates: list[float]
) -> float:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = make([weight])
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.tensor([gradient])
        optimizer.step()
    return weight.item()


def test_momentum_under_a_schedule_keeps_the_old_rate_in_keras() -> None:
    def both(rates: list[float]) -> tuple[float, float]:
        return (
            keras_steps(keras.optimizers.SGD(1.0, momentum=0.9), 0.1, rates),
            torch_steps(lambda w: torch.optim.SGD(w, 1.0, momentum=0.9), 0.1, rates),
        )

    theirs, other = both([1.0] * 4)
    assert theirs == pytest.approx(other)
    theirs, other = both([1.0, 1.0, 0.01, 0.01])
    assert (theirs, other) == pytest.approx((0.3822, 0.7039), abs=1e-4)


def test_adams_epsilon_stands_beside_another_root_in_keras() -> None:
    def moved(epsilon: float) -> float:
        optimizer = keras.optimizers.Adam(0.1, epsilon=epsilon)
        return 1 - keras_steps(optimizer, 1e-8, [0.1])

    other = 1 - torch_steps(lambda w: torch.optim.Adam(w, 0.1), 1e-8, [0.1])
    assert other == pytest.approx(0.05, rel=1e-3)  # g = ε: half the rate
    assert moved(1e-8) == pytest.approx(0.05 / 16.3, rel=0.01)
    assert moved(1e-7) == pytest.approx(0.05 / 159, rel=0.01)  # the default


def test_one_minus_a_power_of_beta_rounds_in_float32() -> None:
    grad = {"w": jax.numpy.array([0.1, -3.0])}
    adam = optax.scale_by_adam(b1=0.0)
    moved, _ = adam.update(grad, adam.init(grad))
    error = apart(np.abs(moved["w"]), 1.0)  # m̂ / √v̂ of a first step is ±1
    assert 1e-6 < error < 2e-5


def test_rmsprops_epsilon_stands_inside_the_root_in_keras() -> None:
    theirs = keras.optimizers.RMSprop(0.1, rho=0.9, epsilon=1e-8)
    inside = 1 - keras_steps(theirs, 1e-4, [0.1])
    outside = 1 - torch_steps(
        lambda w: torch.optim.RMSprop(w, 0.1, alpha=0.9), 1e-4, [0.1]
    )
    assert outside / inside == pytest.approx(3.3, rel=0.01)


def test_weight_decay_means_two_things_and_has_three_defaults() -> None:
    theirs = keras.optimizers.Adam(0.1, weight_decay=0.1)
    decoupled = keras_steps(theirs, 1.0, [0.1])
    in_the_gradient = torch_steps(
        lambda w: torch.optim.Adam(w, 0.1, weight_decay=0.1), 1.0, [0.1]
    )
    assert (decoupled, in_the_gradient) == pytest.approx((0.89, 0.9), abs=1e-4)
    weight = [torch.nn.Parameter(torch.ones(1))]
    assert torch.optim.AdamW(weight).defaults["weight_decay"] == 0.01
    assert keras.optimizers.AdamW().weight_decay == 0.004


@pytest.mark.filterwarnings("ignore:__array__")  # Keras reads its rate so
def test_a_plateau_is_another_one_in_each_framework() -> None:
    losses = [1e-3, 9.95e-4, 9.9e-4, 9.85e-4, 9.8e-4]  # falls by 0.5 % an epoch

    def epochs_until_it_drops(losses: list[float]) -> tuple[int, int, int]:
        weight = torch.nn.Parameter(torch.ones(1))
        optimizer = torch.optim.SGD([weight], 1.0)
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=2)
        callback = keras.callbacks.ReduceLROnPlateau(patience=2)
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1.0), "mse")
        callback.set_model(model)
        callback.on_train_begin()
        ours = obj.EpochLosses()
        found = [0, 0, 0]
        for epoch, loss in enumerate(losses):
            theirs.step(loss)
            callback.on_epoch_end(epoch, {"val_loss": loss})
            ours.append(loss)
            drops = ours.drops(patience=2, threshold=1e-4)
            keras_rate = float(model.optimizer.learning_rate)
            rates = keras_rate, optimizer.param_groups[0]["lr"], 0.1**drops
            for i, rate in enumerate(rates):
                if rate < 0.5 and not found[i]:
                    found[i] = epoch + 1
        return found[0], found[1], found[2]

    # Keras wants 1e-4 less in numbers, the others 1e-4 of the best less
    assert epochs_until_it_drops(losses) == (3, 0, 0)
    # and PyTorch waits for one epoch more than its patience
    assert epochs_until_it_drops([1.0] * 6) == (3, 4, 3)


def test_clipping_adds_a_millionth_to_the_norm_in_pytorch() -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    weight.grad = torch.tensor([1e-5])
    torch.nn.utils.clip_grad_norm_([weight], 5e-6)
    assert weight.grad.item() == pytest.approx(5e-6 / 1.1, rel=1e-4)
    clipped, _ = tf.clip_by_global_norm([tf.constant([1e-5])], 5e-6)
    assert float(clipped[0][0]) == pytest.approx(5e-6, rel=1e-4)


def test_a_loss_of_probabilities_stops_at_16() -> None:
    logits, label = np.array([[40.0, 0.0]], np.float32), np.array([1])
    probabilities = tf.nn.softmax(logits).numpy()
    clipped = keras.losses.SparseCategoricalCrossentropy()(label, probabilities)
    assert float(clipped) == pytest.approx(16.118, abs=1e-3)
    whole = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(label))
    assert whole.item() == 40
    zero, one = np.zeros((1, 1), np.float32), np.ones((1, 1), np.float32)
    binary = keras.losses.BinaryCrossentropy()(one, zero)
    assert float(binary) == pytest.approx(16.118, abs=1e-3)
    assert F.binary_cross_entropy(*map(torch.from_numpy, (zero, one))).item() == 100


def test_weights_of_examples_are_averaged_in_two_ways() -> None:
    logits, labels = normal(4, 3), np.array([0, 1, 2, 0])
    weights = np.array([0.5, 2.0, 0.0, 0.0], np.float32)
    losses = F.cross_entropy(
        torch.from_numpy(logits), torch.from_numpy(labels), reduction="none"
    ).numpy()
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    by_count = float(theirs(labels, logits, weights))
    assert by_count == pytest.approx(float(losses @ weights) / 4, rel=1e-5)
    assert float(losses @ weights / weights.sum()) == pytest.approx(1.6 * by_count)


def test_tensorflow_takes_it_for_granted_that_soft_labels_sum_to_1() -> None:
    z = tf.Variable([[0.0, 0.0]])
    with tf.GradientTape() as tape:
        loss = tf.nn.softmax_cross_entropy_with_logits([[2.0, 0.0]], z)
    assert tape.gradient(loss, z).numpy().tolist() == [[-1.5, 0.5]]
    row = torch.zeros(1, 2, requires_grad=True)
    F.cross_entropy(row, torch.tensor([[2.0, 0.0]])).backward()
    assert row.grad.tolist() == [[-1.0, 1.0]]


def test_no_engine_takes_that_for_granted(engine: Engine, tolerance: Any) -> None:
    network = Sequential(pl.Input(2), pl.Dense(2))
    state = initial_state(network, seed=0, dtype=tolerance.dtype)
    state["weights/dense.weight"][...] = 0
    session = engine.build(
        network, state=state, loss=obj.CrossEntropy(), dtype=tolerance.dtype
    )
    labels = np.array([[2.0, 0.0]], tolerance.dtype)
    _, grads = session.gradients(np.ones((1, 2), tolerance.dtype), labels)
    np.testing.assert_allclose(grads["dense.bias"], [-1.0, 1.0], rtol=1e-5)
