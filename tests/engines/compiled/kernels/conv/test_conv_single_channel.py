from dataclasses import replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, around, distance, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_single_channel import (
    single_channel_fits,
    single_channel_forward,
    single_channel_weight,
    single_channel_weight_grad,
    single_channel_weight_size,
)

SIZES = convolutions(
    kernels=st.integers(1, 5),
    channels=st.just(1),
    outputs=st.integers(1, 8),
    steps=st.sampled_from([1, 1, 2]),
    size=20,
)


def fitting(sizes):
    """Return lanes and a convolution whose columns follow each other."""
    lanes, conv = sizes
    columns = (
        conv.x.width + sum(conv.x.halo[1]) - conv.dilation[1] * (conv.kernel[1] - 1)
    )
    y = replace(conv.y, width=columns)
    conv = replace(conv, y=y, stride=(conv.stride[0], 1))
    assume(single_channel_fits(conv, lanes))
    return lanes, conv


def weights(conv):
    w = numbers((*conv.kernel, 1, conv.y.channels), 1)
    memory = aligned(conv.weight_shape)
    memory[..., : conv.y.channels] = w
    return w, memory


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES)
def test_neighbouring_outputs_share_a_vector(sizes):
    lanes, conv = fitting(sizes)
    x = numbers((conv.x.height, conv.x.width, 1))
    w, memory = weights(conv)
    bias, y = aligned((conv.y.padded_channels,)), aligned((conv.y.size,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    repeated = aligned((single_channel_weight_size(conv, lanes),))
    compiled(single_channel_weight, conv, on=target(lanes))(memory, repeated)
    call = compiled(single_channel_forward, conv, on=target(lanes))
    call(put(conv.x, x), repeated, bias, y)
    expected = np.maximum(maps.convolved(x, w, conv) + bias[: conv.y.channels], 0)
    assert np.abs(get(conv.y, y) - expected).max() < 4e-6 * max(1, expected.max())
    assert not around(conv.y, y).any()


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES)
def test_the_weights_derivative_is_added(sizes):
    lanes, conv = fitting(sizes)
    x = numbers((conv.x.height, conv.x.width, 1))
    w, memory = weights(conv)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    call = compiled(single_channel_weight_grad, conv, on=target(lanes))
    call(put(conv.x, x), put(conv.y, grad_y), memory)
    expected = maps.grad_weight(x, grad_y, conv) + w
    assert distance(memory[..., : conv.y.channels], expected) < 4e-6


def test_what_shares_no_vector_does_not_fit():
    x, y = laid(9, 9, 1, 16, ((0, 0), (0, 0))), laid(9, 9, 6, 16, ((0, 0), (0, 0)))
    conv = Conv(x, y, (1, 1))
    assert single_channel_fits(conv, 16)
    assert not single_channel_fits(conv, 8)  # a vector is one pixel
    assert not single_channel_fits(replace(conv, stride=(1, 2)), 16)
    assert not single_channel_fits(replace(conv, x=laid(9, 9, 2, 16, x.halo)), 16)
    assert not single_channel_fits(replace(conv, y=laid(9, 1, 6, 16, y.halo)), 16)
