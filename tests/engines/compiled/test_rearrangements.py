"""Layers that move elements, of drawn shapes of every rank, against numpy."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles.examples import examples

from pellucid.engines.compiled.kernels.elementwise.strided_copy import loop_order
from pellucid.network import Network, layers
from pellucid.network.layers.resize import COORDINATES, ROUNDINGS
from pellucid.network.rearrangement import PermuteStep, ReshapeStep
from pellucid.network.strided import View, joined_axes, transfers

CONFIG = settings(
    max_examples=examples(12),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
shapes = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


def surrounded(shape: tuple[int, ...], layer: layers.Layer) -> Network:
    """Put layers before and behind whose gradients tell every element apart."""
    image = layers.Input(*shape)
    return Network(
        inputs=image, outputs=layers.Tanh()(layer(layers.LeakyReLU(0.3)(image)))
    )


@st.composite
def slices(draw: Any) -> tuple[tuple[int, ...], layers.Slice]:
    shape = draw(shapes)
    axes = draw(st.permutations(range(len(shape))))
    axes = axes[: draw(st.integers(1, len(shape)))]
    starts, stops, steps = [], [], []
    for axis in axes:
        n, step = shape[axis], draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
        first = draw(st.integers(0, n - 1))
        beyond = (None, n, first + 1) if step > 0 else (None, first - n - 1)
        starts.append(draw(st.sampled_from([first, first - n])))
        stops.append(draw(st.sampled_from(beyond)))
        steps.append(step)
    given_axes = tuple(draw(st.sampled_from([a, a - len(shape)])) for a in axes)
    return shape, layers.Slice(
        tuple(starts), tuple(stops), tuple(steps), axis=given_axes
    )


@CONFIG
@given(drawn=slices(), count=st.integers(1, 9))
def test_slices(twins, drawn, count):
    pair = twins(surrounded(*drawn))
    pair.check_forward(count)
    pair.check_vjp(count)


@st.composite
def reshapes(draw: Any) -> tuple[tuple[int, ...], layers.Reshape]:
    shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple))
    left, sizes = prod(shape), []
    for _ in range(draw(st.integers(0, 3))):
        fits = [n for n in range(1, left + 1) if left % n == 0]
        sizes.append(draw(st.sampled_from(fits)))
        left //= sizes[-1]
    sizes.insert(draw(st.integers(0, len(sizes))), left)
    if draw(st.booleans()):
        sizes[draw(st.integers(0, len(sizes) - 1))] = -1
    return shape, layers.Reshape(tuple(sizes))


@CONFIG
@given(drawn=reshapes(), count=st.integers(1, 9))
def test_reshapes(twins, drawn, count):
    pair = twins(surrounded(*drawn))
    pair.check_forward(count)
    pair.check_vjp(count)


@CONFIG
@given(shape=shapes, data=st.data(), count=st.integers(1, 9))
def test_permutations(twins, shape, data, count):
    axes = data.draw(st.permutations(range(len(shape))))
    pair = twins(surrounded(shape, layers.Permute(tuple(axes))))
    pair.check_forward(count)
    pair.check_vjp(count)


@CONFIG
@given(shape=shapes, data=st.data(), count=st.integers(1, 5))
def test_concatenations_along_any_axis(twins, shape, data, count):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    image = layers.Input(*shape)
    size = shape[axis]
    other = layers.Slice(data.draw(st.integers(0, size - 1)), axis=axis)(image)
    joined = layers.Concat(axis=axis)(layers.Tanh()(image), other, image)
    pair = twins(Network(inputs=image, outputs=layers.Tanh()(joined)))
    pair.check_forward(count)
    pair.check_vjp(count)


@CONFIG
@given(
    size=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5)),
    block=st.integers(1, 3),
    order=st.sampled_from(["DCR", "CRD"]),
    groups=st.integers(1, 3),
    sides=st.tuples(*[st.integers(0, 3)] * 6),
)
def test_images_between_depth_and_space(twins, size, block, order, groups, sides):
    """All layers that move pixels, before a convolution that wants a halo."""
    height, width, channels = size
    top, bottom, left, right, before, after = sides
    image = layers.Input(
        block * height + top + bottom, block * width + left + right, channels * groups
    )
    x = layers.Crop2D(((top, bottom), (left, right)))(layers.Tanh()(image))
    x = layers.ChannelShuffle(groups)(x)
    x = layers.SpaceToDepth(block, order)(x)
    x = layers.Conv2D(channels * block * block, kernel_size=3, padding=1)(x)
    x = layers.DepthToSpace(block, order)(x)
    x = layers.PadChannels(before, after)(x)
    x = layers.Conv2D(3, kernel_size=3, padding=1)(x)
    pair = twins(Network(inputs=image, outputs=x))
    pair.check_forward()
    pair.check_vjp()


@CONFIG
@given(
    size=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 20)),
    to=st.tuples(st.integers(1, 13), st.integers(1, 13)),
    mode=st.sampled_from(["nearest", "bilinear"]),
    coordinates=st.sampled_from(COORDINATES),
    rounding=st.sampled_from(ROUNDINGS),
)
def test_resizes(twins, size, to, mode, coordinates, rounding):
    layer = layers.Resize(to, mode=mode, coordinates=coordinates, rounding=rounding)
    pair = twins(surrounded(size, layer))
    pair.check_forward()
    pair.check_vjp()


def test_a_detection_head_of_two_scales(twins):
    """Boxes of two images of features, (boxes, 5), joined along the boxes."""
    image = layers.Input(8, 6, 3)
    fine = layers.Conv2D(10, kernel_size=3, padding="same", activation="relu")(image)
    coarse = layers.Conv2D(10, kernel_size=3, stride=2, padding="same")(fine)
    rows = [
        layers.Reshape((-1, 5))(layers.Conv2D(15, kernel_size=3, padding=1)(x))
        for x in (fine, coarse)
    ]
    boxes = layers.Concat(axis=0)(*rows)
    network = Network(inputs=image, outputs=layers.Sigmoid()(boxes))
    assert network.output_shape == (180, 5)
    pair = twins(network)
    pair.check_forward()
    pair.check_vjp()


def test_channels_split_between_convolutions_meet_their_halos(twins):
    """A block of ShuffleNet: half of the channels pass, half are convolved."""
    image = layers.Input(7, 5, 6)
    x = layers.Conv2D(24, kernel_size=3, padding=1)(image)
    left, right = layers.Split(2)(x)
    right = layers.Conv2D(12, kernel_size=3, padding=1, groups=12)(right)
    y = layers.Concat()(left, layers.ReLU()(right))
    y = layers.Conv2D(5, kernel_size=3, padding=1)(y)
    pair = twins(Network(inputs=image, outputs=y))
    pair.check_forward()
    pair.check_vjp()


def test_dense_and_norms_read_what_was_reshaped(twins):
    """Tokens of (12, 5) in a Dense and a LayerNorm, then one row."""
    image = layers.Input(3, 4, 5)
    tokens = layers.Reshape((12, 5))(image)
    x = layers.LayerNorm()(layers.Dense(7, activation="gelu")(tokens))
    x = layers.Dense(3)(layers.Flatten()(layers.Permute((1, 0))(x)))
    pair = twins(Network(inputs=image, outputs=x))
    pair.check_forward()
    pair.check_vjp()


@given(shape=shapes, data=st.data())
def test_transfers_are_numpy_s_reshapes_and_transpositions(shape, data):
    """Any chain of steps, on dense memory, against NumPy's own."""
    x = np.arange(prod(shape))
    wanted, steps, now = x.reshape(shape), [], shape
    for _ in range(data.draw(st.integers(1, 5))):
        if data.draw(st.booleans()):
            now = tuple(data.draw(st.permutations(now)))
            steps.append(ReshapeStep(now))
            wanted = wanted.reshape(now)
        else:
            axes = tuple(data.draw(st.permutations(range(len(now)))))
            steps.append(PermuteStep(axes))
            wanted, now = wanted.transpose(axes), steps[-1].output_shape(now)
    for move in transfers(tuple(steps), View.dense(shape), View.dense(now)):
        y = np.full(x.size, -1)
        source, target = move.source, move.target
        for dx, dy in _walk(loop_order(joined_axes(move))):
            y[target.offset + dy] = x[source.offset + dx]
        x = y
    np.testing.assert_array_equal(x.reshape(now), wanted)


def _walk(axes: list[tuple[int, int, int]]) -> Any:
    if not axes:
        yield 0, 0
        return
    (size, dx, dy), *inner = axes
    for i in range(size):
        for a, b in _walk(inner):
            yield i * dx + a, i * dy + b
