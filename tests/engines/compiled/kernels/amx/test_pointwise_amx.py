"""1×1 convolutions on AMX against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bfloat16 import operands
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import RELU, laid, numbers
from oracles.maps import aligned, around, convolved, distance, get, put

from pellucid.engines.compiled.codegen import in_parts
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import pointwise_amx as kernels
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx, conv_amx_weight
from pellucid.engines.compiled.kernels.conv.conv import Conv

needs_amx = pytest.mark.skipif(not target().has_amx, reason="a processor without AMX")


def convolution(height, width, stride, channels, outputs):
    side = ((0, 1), (1, 0))
    x = laid(1 + (height - 1) * stride, width * stride, channels, 16, side)
    y = laid(height, width, outputs, 16, ((1, 1), (1, 1)))
    return Conv(x, y, (1, 1), (stride, stride), function=RELU)


def run(spec, x, w, bias, size):
    conv, right = spec.conv, aligned((spec.right_size,))
    memory = aligned(conv.weight_shape)
    memory[..., : w.shape[3]] = w
    compiled(conv_amx_weight, spec)(memory, right)
    scratch = aligned((kernels.pointwise_scratch_size(spec),))
    y, call = aligned((conv.y.size,)), compiled(in_parts(kernels.pointwise_amx), spec)
    for first in reversed(range(0, kernels.blocks(conv), size)):
        last = min(first + size, kernels.blocks(conv))
        call(put(conv.x, x), right, memory, bias, y, scratch, first, last)
    return y


def given_to(conv):
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w = numbers((1, 1, conv.x.channels, conv.y.channels), 1)
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    return x, w, bias


@needs_amx
@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(
    st.integers(1, 13),
    st.integers(1, 13),
    st.integers(1, 2),
    st.sampled_from([32, 64, 96]),
    st.sampled_from([32, 50, 96]),
    st.integers(1, 3),
    st.sampled_from([1, 3]),
)
def test_blocks_in_any_order_make_the_convolution(
    h, w, stride, channels, outs, size, cuts
):
    conv = convolution(h, w, stride, channels, outs)
    x, weights, bias = given_to(conv)
    y = run(ConvAmx(conv, cuts), x, weights, bias, size)
    wanted = convolved(*operands(cuts, x, weights), conv) + bias[:outs]
    assert distance(get(conv.y, y), np.maximum(wanted, 0)) < 2e-6
    assert not around(conv.y, y.copy()).any()


@needs_amx
@pytest.mark.parametrize(
    ("bad", "cuts"), [(np.inf, 3), (-np.inf, 3), (np.nan, 3), (np.inf, 1), (np.nan, 1)]
)
def test_what_is_not_finite_stays_with_its_pixel(bad, cuts):
    conv = convolution(6, 7, 1, 32, 32)
    x, w, bias = given_to(conv)
    x[2, 3, 5] = bad
    y = get(conv.y, run(ConvAmx(conv, cuts), x, w, bias, 1))
    with np.errstate(invalid="ignore"):
        wanted = np.maximum(x[2, 3] @ w[0, 0] + bias[:32], 0)
    np.testing.assert_array_equal(y[2, 3], wanted)
    y[2, 3] = 0
    assert np.isfinite(y).all()
