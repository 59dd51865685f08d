from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, around, distance, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_input_grad import gradient_halo
from pellucid.engines.compiled.kernels.conv.depthwise import (
    TOGETHER,
    depthwise_fits,
    depthwise_forward,
    depthwise_grad_input,
    depthwise_grad_weight,
)

SIZES = convolutions(
    kernels=st.integers(1, 7),
    channels=st.sampled_from([1, 3, 5, 16, 20, 32]),
    steps=st.integers(1, 3),
    size=12,
)


def case(conv):
    """Return x, one kernel a channel, and it as a convolution's weights."""
    channels = conv.x.channels
    x = numbers((conv.x.height, conv.x.width, channels))
    w = numbers((*conv.kernel, channels), 1)
    return x, w, w[..., None] * np.eye(channels)


def memory_of(conv, w):
    memory = aligned((*conv.kernel, 1, conv.y.padded_channels))
    memory[:, :, 0, : conv.x.channels] = w
    return memory


def alone(conv):
    return replace(conv, groups=conv.x.channels)


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES)
def test_every_channel_meets_its_own_kernel(sizes):
    lanes, conv = sizes
    conv = alone(conv)
    x, w, whole = case(conv)
    bias, y = aligned((conv.y.padded_channels,)), aligned((conv.y.size,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    call = compiled(depthwise_forward, conv, on=target(lanes))
    call(put(conv.x, x), memory_of(conv, w), bias, y)
    expected = maps.convolved(x, whole, conv) + bias[: conv.y.channels]
    expected = np.maximum(expected, 0)
    assert np.abs(get(conv.y, y) - expected).max() < 4e-6 * max(1, expected.max())
    assert not around(conv.y, y).any()


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES, st.booleans())
def test_the_inputs_derivative_is_the_definitions(sizes, accumulate):
    lanes, conv = sizes
    conv = alone(conv)
    _, w, whole = case(conv)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    spec = replace(conv, y=conv.y.with_halo(gradient_halo(conv)), accumulate=accumulate)
    before = numbers((conv.x.height, conv.x.width, conv.x.channels), 4)
    grad_x = put(conv.x, before)
    call = compiled(depthwise_grad_input, spec, on=target(lanes))
    call(put(spec.y, grad_y), memory_of(conv, w), grad_x)
    expected = maps.grad_input(whole, grad_y, conv) + (before if accumulate else 0)
    found = get(conv.x, grad_x)
    assert np.abs(found - expected).max() < 4e-6 * max(1, np.abs(expected).max())
    assert not around(conv.x, grad_x).any()


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES)
def test_the_weights_derivative_is_added(sizes):
    lanes, conv = sizes
    conv = alone(conv)
    x, w, _ = case(conv)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    grad = memory_of(conv, w)
    call = compiled(depthwise_grad_weight, conv, on=target(lanes))
    call(put(conv.x, x), put(conv.y, grad_y), grad)
    own = np.arange(conv.x.channels)
    expected = maps.grad_weight(x, grad_y, conv)[:, :, own, own] + w
    assert distance(grad[:, :, 0, : conv.x.channels], expected) < 4e-6


def test_sums_rest_between_rows_of_large_images():
    x = laid(11, 40, 64, 16, ((1, 1), (1, 1)))
    y = laid(11, 20, 64, 16, ((0, 0), (0, 0)))
    conv = Conv(x, y, (3, 3), (1, 2), top_left=(1, 1), groups=64, has_bias=False)
    assert 1 < TOGETHER // x.row < 11
    image, w, _ = case(conv)
    grad_y, grad = numbers((11, 20, 64), 3), memory_of(conv, w)
    compiled(depthwise_grad_weight, conv)(put(x, image), put(y, grad_y), grad)
    own = np.arange(64)
    expected = maps.grad_weight(image, grad_y, conv)[:, :, own, own] + w
    assert distance(grad[:, :, 0], expected) < 4e-6


def test_other_groups_do_not_fit():
    x = laid(5, 5, 8, 4, ((1, 1), (1, 1)))
    conv = Conv(x, x, (3, 3), top_left=(1, 1), groups=8)
    assert depthwise_fits(conv)
    assert not depthwise_fits(replace(conv, groups=4))
    assert not depthwise_fits(replace(conv, y=laid(5, 5, 16, 4, x.halo)))
