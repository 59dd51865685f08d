from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import LANES, RELU, convolutions, laid, numbers
from oracles.maps import aligned, around, convolved, distance, get, pooled, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_pool import (
    ConvPool,
    conv_pool_fits,
    conv_pool_forward,
    pool_with_codes,
)
from pellucid.engines.compiled.lowering.layers.activation import function_of
from pellucid.network.layers import Tanh

SIZES = convolutions(
    kernels=st.integers(1, 5),
    channels=st.sampled_from([1, 2, 3, 5, 16, 18]),
    outputs=st.sampled_from([1, 3, 6, 16, 24, 40]),
    steps=st.sampled_from([1, 1, 2]),
    smallest=2,
)


def run(lanes, conv, x, w, bias, *, keeps_codes=True):
    """Return the pooled image, its codes and what lies around the image."""
    c = conv.y
    y = laid(c.height // 2, c.width // 2, c.channels, lanes, ((1, 0), (2, 1)))
    weights, shift = aligned(conv.weight_shape), aligned((c.padded_channels,))
    weights[:, :, : x.shape[2], : c.channels] = w
    shift[: c.channels] = bias
    memory = aligned((y.size,))
    codes = aligned((y.height, y.width, y.padded_channels), np.uint8)
    codes[...] = 9
    call = compiled(conv_pool_forward, ConvPool(conv, y, keeps_codes), on=target(lanes))
    call(put(conv.x, x), weights, shift, memory, codes)
    return get(y, memory), codes[..., : c.channels], around(y, memory)


def expected(conv, x, w, bias):
    value, code = pooled(convolved(x, w, conv) + bias)
    if conv.function is None:
        return value, code
    return np.maximum(value, 0), np.where(value > 0, code, 4)


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES, st.booleans())
def test_windows_hold_the_largest_and_say_which_it_was(sizes, has_relu):
    lanes, conv = sizes
    conv = replace(conv, function=RELU if has_relu else None)
    channels = (conv.x.channels, conv.y.channels)
    x = numbers((conv.x.height, conv.x.width, channels[0]))
    w, bias = numbers((*conv.kernel, *channels), 1), numbers((channels[1],), 2)
    y, codes, halo = run(lanes, conv, x, w, bias)
    value, code = expected(conv, x, w, bias)
    assert distance(y, value) < 2e-6
    assert np.array_equal(codes, code)
    assert not halo.any()


@settings(max_examples=examples(10), deadline=None, derandomize=True)
@given(SIZES)
def test_an_image_that_is_there_is_pooled_alike(sizes):
    lanes, conv = sizes
    conv = replace(conv, function=RELU, has_bias=False)
    made = np.round(4 * numbers((conv.y.height, conv.y.width, conv.y.channels)))
    value, code = pooled(made)  # with ties
    m = conv.y
    y = laid(m.height // 2, m.width // 2, m.channels, lanes, ((1, 0), (2, 1)))
    memory = aligned((y.size,))
    codes = aligned((y.height, y.width, y.padded_channels), np.uint8)
    call = compiled(pool_with_codes, ConvPool(conv, y), on=target(lanes))
    call(put(m, made), memory, codes)
    assert np.array_equal(get(y, memory), np.maximum(value, 0))
    assert np.array_equal(codes[..., : m.channels], np.where(value > 0, code, 4))
    assert not around(y, memory).any()


def plain(lanes, *, channels=2, outputs=8):
    x = laid(6, 6, channels, lanes, ((1, 1), (1, 1)))
    y = laid(6, 6, outputs, lanes, ((0, 0), (0, 0)))
    return Conv(x, y, (3, 3), top_left=(1, 1), function=RELU)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("channels", [2, 40])
def test_a_window_that_sees_nan_is_nan_and_dead(lanes, channels):
    conv = plain(lanes, channels=channels)
    x, w = numbers((6, 6, channels)), numbers((3, 3, channels, 8), 1)
    x[0, 0, 1] = np.nan
    y, codes, _ = run(lanes, conv, x, w, np.zeros(8))
    assert np.isnan(y[0, 0]).all()
    assert (codes[0, 0] == 4).all()
    assert np.isfinite(y[1:, 1:]).all()


@pytest.mark.parametrize("lanes", LANES)
def test_the_first_of_equal_cells_wins(lanes):
    conv = plain(lanes)
    y, codes, _ = run(lanes, conv, np.zeros((6, 6, 2)), np.zeros((3, 3, 2, 8)), 1.0)
    assert (y == 1).all()
    assert (codes == 0).all()


@pytest.mark.parametrize("lanes", LANES)
def test_codes_are_left_alone_where_nobody_wants_them(lanes):
    conv = plain(lanes)
    x, w = numbers((6, 6, 2)), numbers((3, 3, 2, 8), 1)
    y, codes, _ = run(lanes, conv, x, w, np.zeros(8), keeps_codes=False)
    assert distance(y, expected(conv, x, w, np.zeros(8))[0]) < 2e-6
    assert (codes == 9).all()


def test_functions_that_the_codes_cannot_tell_do_not_fit():
    conv = plain(4)
    assert conv_pool_fits(conv)
    assert conv_pool_fits(replace(conv, function=None))
    assert not conv_pool_fits(replace(conv, function=function_of(Tanh())))
    assert not conv_pool_fits(replace(conv, groups=2))
