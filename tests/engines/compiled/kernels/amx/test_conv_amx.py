"""Convolutions on AMX against their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bfloat16 import operands
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, laid, numbers
from oracles.maps import aligned, around, convolved, distance, get, put

from pellucid.engines.compiled.codegen import in_parts
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import conv_amx as kernels
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.conv.conv import Conv

pytestmark = pytest.mark.skipif(not target().has_amx, reason="a processor without AMX")

SIZES = convolutions(
    kernels=st.integers(1, 3),
    channels=st.sampled_from([16, 24, 32, 64]),
    outputs=st.sampled_from([16, 32, 60, 96]),
    steps=st.integers(1, 3),
    size=11,
    among=[16],
)


def run(spec: ConvAmx, x, w, bias, before, size: int = 1):
    """Return y, made by parts of so many units, the last ones first."""
    conv = spec.conv
    right, memory = aligned((spec.right_size,)), aligned(conv.weight_shape)
    memory[..., : w.shape[2], : w.shape[3]] = w
    compiled(kernels.conv_amx_weight, spec)(memory, right)
    cut, sums = aligned((spec.left_size,)), aligned((spec.sums_size,))
    cut[:] = np.nan  # what an earlier step left there must not be seen
    image, y = put(conv.x, x), put(conv.y, before)
    call = compiled(in_parts(kernels.conv_amx_cut), spec)
    for first in range(0, spec.rows, size):
        call(image, cut, first, min(first + size, spec.rows))
    call = compiled(in_parts(kernels.conv_amx), spec)
    for first in reversed(range(0, spec.parts, size)):
        last = min(first + size, spec.parts)
        call(cut, right, image, memory, bias, y, sums, first, last)
    return y


def given_to(conv: Conv):
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w = numbers((*conv.kernel, conv.x.channels, conv.y.channels), 1)
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    return x, w, bias


@settings(max_examples=examples(16), deadline=None, derandomize=True)
@given(SIZES, st.integers(1, 3), st.booleans(), st.sampled_from([1, 3]))
def test_parts_in_any_order_make_the_convolution(sizes, size, accumulates, cuts):
    _, conv = sizes
    conv = replace(conv, accumulate=accumulates)
    x, w, bias = given_to(conv)
    before = numbers((conv.y.height, conv.y.width, conv.y.channels), 3) * accumulates
    y = run(ConvAmx(conv, cuts), x, w, bias, before, size)
    wanted = convolved(*operands(cuts, x, w), conv) + bias[: conv.y.channels] + before
    assert distance(get(conv.y, y), np.maximum(wanted, 0)) < 2e-6
    assert not around(conv.y, y.copy()).any()


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize(("bad", "cuts"), [(np.inf, 3), (np.nan, 3), (np.inf, 1)])
def test_what_is_not_finite_stays_with_the_windows_that_see_it(bad, cuts, accumulates):
    side = ((1, 1), (1, 1))
    x_map = laid(9, 8, 32, 16, side)
    conv = Conv(x_map, laid(5, 4, 32, 16, side), (3, 3), (2, 2), top_left=(1, 1))
    conv = replace(conv, accumulate=accumulates)
    x, w, bias = given_to(conv)
    x[2, 3, 5] = bad
    before = numbers((5, 4, 32), 3) * accumulates
    y = get(conv.y, run(ConvAmx(conv, cuts), x, w, bias, before))
    with np.errstate(invalid="ignore"):
        wanted = convolved(*operands(cuts, x, w), conv) + bias[:32] + before
    seen = ~np.isfinite(wanted)
    assert seen.any()
    assert not seen.all()
    np.testing.assert_array_equal(y[seen], wanted[seen])
    assert distance(y[~seen], wanted[~seen]) < 2e-6
