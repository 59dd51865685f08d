"""The convolution with packed weights against its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, around, convolved, distance, get, put

from pellucid.engines.compiled.codegen import in_parts
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_packed import (
    Packed,
    conv_pack,
    conv_packed,
    conv_packed_joined,
    packed_size,
)

SIZES = convolutions(
    kernels=st.integers(1, 3),
    channels=st.sampled_from([1, 3, 16, 20, 33]),
    outputs=st.sampled_from([16, 24, 40, 96]),
    size=19,
    smallest=1,
)
#: elements between images, more than any has
APART = 64 * 1024


def packed(lanes: int, conv: Conv, **how: int) -> Packed:
    return Packed(conv, lanes, target(lanes).registers, **how)


def weights(spec: Packed, w: np.ndarray, lanes: int) -> np.ndarray:
    memory, made = aligned(spec.conv.weight_shape), aligned((packed_size(spec),))
    memory[:, :, : w.shape[2], : w.shape[3]] = w
    compiled(conv_pack, spec, on=target(lanes))(memory, made)
    return made


def given_to(conv: Conv) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w = numbers((*conv.kernel, conv.x.channels, conv.y.channels), 1)
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    return x, w, bias


@settings(max_examples=examples(30), deadline=None, derandomize=True)
@given(SIZES, st.booleans(), st.integers(1, 4), st.booleans())
def test_parts_in_any_order_make_the_convolution(sizes, by_panel, size, accumulates):
    lanes, conv = sizes
    lanes = min(lanes, conv.y.padded_channels & -conv.y.padded_channels)
    conv = replace(conv, accumulate=accumulates)
    spec = packed(lanes, conv, by_panel=by_panel)
    x, w, bias = given_to(conv)
    before = numbers((conv.y.height, conv.y.width, conv.y.channels), 3) * accumulates
    y = put(conv.y, before)
    call = compiled(in_parts(conv_packed), spec, on=target(lanes))
    made = weights(spec, w, lanes)
    for first in reversed(range(0, spec.parts, size)):
        last = min(first + size, spec.parts)
        call(put(conv.x, x), made, bias, y, first, last)
    wanted = convolved(x, w, conv) + bias[: conv.y.channels] + before
    assert distance(get(conv.y, y), np.maximum(wanted, 0)) < 5e-6
    assert not around(conv.y, y.copy()).any()
    whole = put(conv.y, before)
    compiled(conv_packed, spec, on=target(lanes))(put(conv.x, x), made, bias, whole)
    assert np.array_equal(whole, y)


@settings(max_examples=examples(20), deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 9), st.sampled_from([1, 2, 4, 8]))
def test_images_that_go_together_are_the_convolutions(sizes, count, group):
    lanes, conv = sizes
    if conv.y.height * conv.y.width > 30:
        return
    lanes = min(lanes, conv.y.padded_channels & -conv.y.padded_channels)
    spec = packed(lanes, conv, images=group, x_next=APART, y_next=APART)
    _, w, bias = given_to(conv)
    x, y = aligned((count * APART,)), aligned((count * APART,))
    values = []
    for k in range(count):
        shape = (conv.x.height, conv.x.width, conv.x.channels)
        values.append(numbers(shape, 10 + k))
        x[k * APART :][: conv.x.size] = put(conv.x, values[-1])
    call = compiled(conv_packed_joined, spec, on=target(lanes))
    call(x, weights(spec, w, lanes), bias, y, count)
    for k, value in enumerate(values):
        mine = y[k * APART :][: conv.y.size].copy()
        wanted = np.maximum(convolved(value, w, conv) + bias[: conv.y.channels], 0)
        assert distance(get(conv.y, mine), wanted) < 5e-6


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_spreads_to_the_outputs_that_see_it(bad):
    plain = ((0, 0), (0, 0))
    x, y = laid(7, 7, 16, 16, plain), laid(7, 7, 32, 16, plain)
    conv = Conv(x, y, (1, 1))
    lanes = min(16, target().lanes)
    spec = packed(lanes, conv)
    image, w, bias = given_to(conv)
    image[3, 4, 5] = bad
    out = aligned((y.size,))
    made = weights(spec, w, lanes)
    compiled(conv_packed, spec, on=target(lanes))(put(x, image), made, bias, out)
    found = ~np.isfinite(get(y, out)).all(-1)
    assert found[3, 4]
    assert found.sum() == 1
