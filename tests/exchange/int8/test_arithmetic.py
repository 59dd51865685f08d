"""Int8's arithmetic against real numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.exchange.int8.arithmetic import (
    compute_scales,
    multiply_fixed_point,
    quantize_array,
    quantize_weight_and_bias,
)
from pellucid.network.quantization import encode_multiplier


@given(st.floats(-1e6, 0), st.floats(0, 1e6))
def test_zero_is_a_step_and_the_ends_are_within_half_a_step(low, high):
    scales = compute_scales((low, high))
    assert -128 <= scales.zero_point <= 127
    assert quantize_array(np.asarray([0.0]), scales)[0] == scales.zero_point
    ends = np.asarray([low, high])
    back = (quantize_array(ends, scales).astype(float) - scales.zero_point) * scales.one
    assert np.abs(back - ends).max() <= 0.51 * scales.one


@given(st.integers(-(2**24), 2**24), st.floats(1e-9, 8))
def test_a_multiplier_multiplies(x, real):
    assert multiply_fixed_point(x, *encode_multiplier(real)) == pytest.approx(
        x * real, abs=1.01
    )


def test_products_are_rounded_twice():
    """4497 · 0.00433…, 19.498: the first rounding makes 19.5 of it."""
    assert multiply_fixed_point(4497, 1191814707, -7) == 20


def test_each_channel_of_a_weight_has_its_own_scale():
    weight = np.asarray([[1.0, -0.5], [0.01, 0.002], [0.0, 0.0]], np.float32)
    bias = np.asarray([0.1, 0.0, 0.0], np.float32)
    numbers, start, wide, product = quantize_weight_and_bias(
        weight, bias, axis=0, scale=0.5
    )
    assert numbers.tolist() == [[127, -64], [127, 25], [0, 0]]
    assert np.allclose(start * product.scale, bias, atol=product.scale.max())
    assert np.allclose(wide.scale, [1 / 127, 0.01 / 127, 1])


def test_a_bias_beyond_32_bits_widens_its_channel_s_steps():
    weight, bias = np.full((1, 2), 1e-12, np.float32), np.asarray([5.0], np.float32)
    _, start, _, product = quantize_weight_and_bias(weight, bias, axis=0, scale=1.0)
    assert abs(int(start[0])) <= 2**30
    assert start[0] * product.scale[0] == pytest.approx(5.0)
