"""1×1 convolutions over the pixels of several images on AMX, and their gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import RELU, laid, numbers
from oracles.maps import aligned, around, convolved, distance, get, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import pixels_amx as kernels
from pellucid.engines.compiled.kernels.amx import pixels_amx_grad as gradients
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx, conv_amx_weight
from pellucid.engines.compiled.kernels.amx.pixels_amx import Pixels
from pellucid.engines.compiled.kernels.conv.conv import Conv

pytestmark = pytest.mark.skipif(not target().has_amx, reason="a processor without AMX")

SHAPES = st.tuples(
    st.integers(1, 11),
    st.integers(1, 11),
    st.integers(1, 2),
    st.sampled_from([32, 64]),
    st.sampled_from([32, 50, 96]),
)


def joined(height, width, stride, channels, outputs) -> Pixels:
    side = ((0, 1), (1, 0))
    x = laid(1 + (height - 1) * stride, width * stride, channels, 16, side)
    y = laid(height, width, outputs, 16, ((1, 1), (1, 1)))
    conv = Conv(x, y, (1, 1), (stride, stride), function=RELU)
    return Pixels(conv, x.size + 16, y.size + 32)


def images_of(m, apart: int, count: int, seed: int = 0):
    """Return images, and the memory in which they lie ``apart`` elements."""
    images = numbers((count, m.height, m.width, m.channels), seed)
    memory = aligned((count, apart))
    for row, image in zip(memory, images, strict=True):
        row[: m.size] = put(m, image)
    return images, memory


def weights_of(conv: Conv):
    w = numbers((1, 1, conv.x.channels, conv.y.channels), 1)
    memory = aligned(conv.weight_shape)
    memory[..., : w.shape[3]] = w
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    return w, memory, bias


def run(spec: Pixels, x, memory, bias, y):
    whole = ConvAmx(spec.conv)
    right = aligned((whole.right_size,))
    compiled(conv_amx_weight, whole)(memory, right)
    scratch = aligned((kernels.pixels_scratch_size(spec),))
    scratch[:] = np.nan  # what an earlier step left there must not be seen
    compiled(kernels.pixels_amx, spec)(x, right, memory, bias, y, scratch, len(x))


def sum_grads(spec: Pixels, x, grad, out):
    scratch = aligned((gradients.pixels_grad_scratch_size(spec),))
    scratch[:] = np.nan
    compiled(gradients.pixels_amx_grad, spec)(x, grad, out, scratch, len(x))


@settings(max_examples=examples(5), deadline=None, derandomize=True)
@given(SHAPES, st.integers(1, 5), st.booleans())
def test_pixels_of_all_images_make_the_convolution(shape, count, accumulates):
    spec = joined(*shape)
    spec = replace(spec, conv=replace(spec.conv, accumulate=accumulates))
    conv = spec.conv
    images, x = images_of(conv.x, spec.x_next, count)
    before, y = images_of(conv.y, spec.y_next, count, 3)
    if not accumulates:
        y[:] = before[:] = 0
    w, memory, bias = weights_of(conv)
    run(spec, x, memory, bias, y)
    for image, old, row in zip(images, before, y, strict=True):
        wanted = convolved(image, w, conv) + bias[: conv.y.channels] + old
        made = row[: conv.y.size]
        assert distance(get(conv.y, made), np.maximum(wanted, 0)) < 2e-6
        assert not around(conv.y, made).any()


@settings(max_examples=examples(4), deadline=None, derandomize=True)
@given(SHAPES, st.integers(1, 5))
def test_the_gradient_is_the_sum_over_all_pixels(shape, count):
    spec = joined(*shape)
    conv, stride = spec.conv, shape[2]
    images, x = images_of(conv.x, spec.x_next, count)
    grads, grad = images_of(conv.y, spec.y_next, count, 3)
    before = numbers((conv.x.channels, conv.y.channels), 4)
    out = aligned(conv.weight_shape)
    out[0, 0, :, : conv.y.channels] = before
    sum_grads(spec, x, grad, out)
    seen = images[:, ::stride, ::stride].astype(np.float64)
    wanted = before + np.einsum("nijc,nijo->co", seen, grads.astype(np.float64))
    assert distance(out[0, 0, :, : conv.y.channels], wanted) < 5e-6
    assert not out[0, 0, :, conv.y.channels :].any()


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_with_its_pixel_and_channel(bad):
    spec = joined(5, 7, 1, 64, 64)
    conv = spec.conv
    images, x = images_of(conv.x, spec.x_next, 2)
    images[1, 2, 3, 5] = bad
    x[1, : conv.x.size] = put(conv.x, images[1])
    grads, y = images_of(conv.y, spec.y_next, 2, 3)
    out = aligned(conv.weight_shape)
    sum_grads(spec, x, y, out)
    with np.errstate(invalid="ignore"):
        wanted = np.einsum("nijc,nijo->co", images, grads)
    np.testing.assert_array_equal(out[0, 0, 5], wanted[5])
    assert np.isfinite(np.delete(out[0, 0], 5, axis=0)).all()
    w, memory, bias = weights_of(conv)
    run(spec, x, memory, bias, y)
    with np.errstate(invalid="ignore"):
        wanted = np.maximum(images[1, 2, 3] @ w[0, 0] + bias, 0)
    made = get(conv.y, y[1, : conv.y.size])
    np.testing.assert_array_equal(made[2, 3], wanted)
    made[2, 3] = 0
    assert np.isfinite(made).all()
    assert np.isfinite(y[0]).all()
