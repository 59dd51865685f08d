from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, numbers
from oracles.maps import aligned, around, distance, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import ConvJoined, conv_forward
from pellucid.engines.compiled.kernels.conv.conv_input_grad import (
    conv_grad_input,
    conv_grad_input_joined,
    conv_turn_weight,
    gradient_halo,
)
from pellucid.engines.compiled.kernels.conv.conv_weight_grad import (
    conv_grad_bias,
    conv_grad_weight,
    conv_grad_weight_joined,
)

SIZES = convolutions(
    kernels=st.integers(1, 5),
    channels=st.sampled_from([1, 2, 3, 6, 13, 16, 20]),
    outputs=st.sampled_from([1, 5, 16, 17, 32]),
    steps=st.sampled_from([1, 1, 2, 3]),
    size=7,
)

#: elements between images, more than any has
APART = 16 * 1024


def weights(conv):
    w = numbers((*conv.kernel, conv.x.channels, conv.y.channels), 1)
    memory = aligned(conv.weight_shape)
    memory[:, :, : conv.x.channels, : conv.y.channels] = w
    return w, memory


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES)
def test_an_output_is_the_sum_over_its_window(sizes):
    lanes, conv = sizes
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w, memory = weights(conv)
    bias, y = aligned((conv.y.padded_channels,)), aligned((conv.y.size,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    compiled(conv_forward, conv, on=target(lanes))(put(conv.x, x), memory, bias, y)
    expected = np.maximum(maps.convolved(x, w, conv) + bias[: conv.y.channels], 0)
    assert np.abs(get(conv.y, y) - expected).max() < 4e-6 * max(1, expected.max())
    assert not around(conv.y, y).any()


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES, st.booleans())
def test_the_inputs_derivative_is_the_definitions(sizes, accumulate):
    lanes, conv = sizes
    w, memory = weights(conv)
    spec = replace(conv, y=conv.y.with_halo(gradient_halo(conv)), accumulate=accumulate)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    before = numbers((conv.x.height, conv.x.width, conv.x.channels), 4)
    grad_x, turned = put(conv.x, before), aligned(conv.transposed_shape)
    compiled(conv_turn_weight, spec, on=target(lanes))(memory, turned)
    call = compiled(conv_grad_input, spec, on=target(lanes))
    call(put(spec.y, grad_y), turned, grad_x)
    expected = maps.grad_input(w, grad_y, conv) + (before if accumulate else 0)
    found = get(conv.x, grad_x)
    assert np.abs(found - expected).max() < 4e-6 * max(1, np.abs(expected).max())
    assert not around(conv.x, grad_x).any()


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES)
def test_the_derivatives_by_weights_and_bias_are_added(sizes):
    lanes, conv = sizes
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w, memory = weights(conv)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    call = compiled(conv_grad_weight, conv, on=target(lanes))
    call(put(conv.x, x), put(conv.y, grad_y), memory)
    expected = maps.grad_weight(x, grad_y, conv) + w
    found = memory[:, :, : conv.x.channels, : conv.y.channels]
    assert distance(found, expected) < 4e-6
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = 1
    compiled(conv_grad_bias, conv.y, on=target(lanes))(put(conv.y, grad_y), bias)
    wanted = grad_y.sum((0, 1), dtype=np.float64) + 1
    assert distance(bias[: conv.y.channels], wanted) < 4e-6


def joined(layout, count, seed):
    """Return some images and the memory that holds them, each `APART` elements on."""
    shape = (layout.height, layout.width, layout.channels)
    values = [numbers(shape, seed + k) for k in range(count)]
    memory = aligned((count * APART,))
    for k, value in enumerate(values):
        memory[k * APART :][: layout.size] = put(layout, value)
    return values, memory


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 3), st.booleans())
def test_gradients_of_images_that_go_together(sizes, count, accumulate):
    lanes, conv = sizes
    w, memory = weights(conv)
    spec = replace(conv, y=conv.y.with_halo(gradient_halo(conv)), accumulate=accumulate)
    grads, grad_y = joined(spec.y, count, 3)
    values, x = joined(conv.x, count, 20)
    grad_x, turned = x.copy(), aligned(conv.transposed_shape)
    how, on = ConvJoined(spec, APART, APART), target(lanes)
    compiled(conv_turn_weight, spec, on=on)(memory, turned)
    compiled(conv_grad_input_joined, how, on=on)(grad_y, turned, grad_x, count)
    compiled(conv_grad_weight_joined, how, on=on)(x, grad_y, memory, count)
    expected = w.astype(np.float64)
    for k, (value, grad) in enumerate(zip(values, grads, strict=True)):
        mine = grad_x[k * APART :][: conv.x.size].copy()
        wanted = maps.grad_input(w, grad, conv) + (value if accumulate else 0)
        assert np.abs(get(conv.x, mine) - wanted).max() < 4e-6 * max(
            1, np.abs(wanted).max()
        )
        assert not around(conv.x, mine).any()
        expected += maps.grad_weight(value, grad, conv)
    found = memory[:, :, : conv.x.channels, : conv.y.channels]
    assert distance(found, expected) < 4e-6
