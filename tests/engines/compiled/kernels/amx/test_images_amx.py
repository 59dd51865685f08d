"""Convolutions of small maps on AMX, images joined, against their definition."""

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
from pellucid.engines.compiled.kernels.amx import images_amx as kernels
from pellucid.engines.compiled.kernels.amx import images_amx_grad as gradients
from pellucid.engines.compiled.kernels.amx.images_amx import Images
from pellucid.engines.compiled.kernels.conv.conv import Conv

pytestmark = pytest.mark.skipif(not target().has_amx, reason="a processor without AMX")

SHAPES = st.tuples(
    st.tuples(st.integers(1, 5), st.integers(2, 9)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([32, 64]),
    st.sampled_from([32, 50, 96]),
)


def joined(size, kernel, before, channels, outputs) -> Images:
    """Return a convolution with as many zeros behind as make any outputs."""
    before = tuple(min(p, k - 1) for p, k in zip(before, kernel, strict=True))
    side = ((0, 1), (1, 0))
    x = laid(*size, channels, 16, side)
    y = laid(*size, outputs, 16, ((1, 1), (0, 2)))
    conv = Conv(x, y, kernel, top_left=before, function=RELU)
    return Images(conv, x.size + 16, y.size + 32)


def images_of(m, apart: int, count: int, seed: int):
    """Return images, and the memory in which they lie ``apart`` elements."""
    images = numbers((count, m.height, m.width, m.channels), seed)
    memory = aligned((count, apart))
    for row, image in zip(memory, images, strict=True):
        row[: m.size] = put(m, image)
    return images, memory


def weights_of(conv: Conv):
    w = numbers((*conv.kernel, conv.x.channels, conv.y.channels), 1)
    memory = aligned(conv.weight_shape)
    memory[..., : w.shape[3]] = w
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 2)
    return w, memory, bias


def run(spec: Images, x, memory, bias, y):
    scratch = aligned((kernels.images_scratch_size(spec),))
    scratch[:] = np.nan  # what an earlier step left there must not be seen
    compiled(kernels.images_amx, spec)(x, memory, bias, y, scratch, len(x))


def sum_grads(spec: Images, x, grad):
    scratch, out = (
        aligned((gradients.images_grad_scratch_size(spec),)),
        aligned(spec.conv.weight_shape),
    )
    scratch[:] = out[:] = np.nan  # it replaces what was there
    compiled(gradients.images_amx_grad, spec)(x, grad, out, scratch, len(x))
    return out


def sum_grads_by_tasks(spec: Images, x, grad):
    """Return the same made by tasks for some inputs each, after others cut images."""
    cut, out = gradients.Cut(spec, 2), aligned(spec.conv.weight_shape)
    groups, size = -(-len(x) // gradients.GROUP), gradients.block_scratch_size()
    operands = aligned((groups * gradients.GROUP * cut.next,))
    scratch, made = (
        aligned((size,)),
        aligned((*spec.conv.kernel, kernels.BLOCK, out.shape[-1])),
    )
    operands[:] = scratch[:] = np.nan
    for task in range(2):
        compiled(gradients.images_amx_cut, cut)(
            x, grad, operands, scratch, task, len(x)
        )
    call = compiled(gradients.images_amx_grad_inputs, cut)
    for block in range(spec.conv.rows // kernels.BLOCK):
        call(x, grad, operands, made, scratch, block, len(x))
        out[:, :, block * kernels.BLOCK : (block + 1) * kernels.BLOCK] = made
    return out


def patches(image, conv: Conv):
    """Return what each output sees: (height, width, kernel_h, kernel_w, channels)."""
    (kh, kw), (top, left), y = conv.kernel, conv.top_left, conv.y
    whole = np.pad(image, ((top, kh), (left, kw), (0, 0))).astype(np.float64)
    seen = [
        [whole[u : u + y.height, v : v + y.width] for v in range(kw)] for u in range(kh)
    ]
    return np.moveaxis(np.array(seen), (0, 1), (2, 3))


@settings(max_examples=examples(3), deadline=None, derandomize=True)
@given(SHAPES, st.sampled_from([1, 7, 16, 35]), st.booleans())
def test_images_together_make_the_convolution(shape, count, accumulates):
    spec = joined(*shape)
    conv = replace(spec.conv, accumulate=accumulates)
    spec = replace(spec, conv=conv)
    images, x = images_of(conv.x, spec.x_next, count, 0)
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


@settings(max_examples=examples(3), deadline=None, derandomize=True)
@given(SHAPES, st.sampled_from([1, 7, 16, 35]))
def test_gradients_are_the_sums_of_the_definition(shape, count):
    *shape, _ = shape
    spec = joined(*shape, 64)
    conv = spec.conv
    images, x = images_of(conv.x, spec.x_next, count, 0)
    grads, grad = images_of(conv.y, spec.y_next, count, 3)
    out = sum_grads(spec, x, grad)
    seen = np.array([patches(image, conv) for image in images])
    wanted = np.einsum("nijuvc,nijo->uvco", seen, grads)
    assert distance(out, wanted) < 5e-6
    assert distance(sum_grads_by_tasks(spec, x, grad), wanted) < 5e-6
    w, memory, _ = weights_of(conv)
    ends = tuple(k - 1 - p for k, p in zip(conv.kernel, conv.top_left, strict=True))
    mirror = Conv(conv.y, conv.x, conv.kernel, top_left=ends, has_bias=False)
    turned = Images(mirror, spec.y_next, spec.x_next, is_turned=True)
    grad_x = aligned(x.shape)
    run(turned, grad, memory, memory, grad_x)
    by_hand = w[::-1, ::-1].swapaxes(2, 3)
    for given_, row in zip(grads, grad_x, strict=True):
        wanted = convolved(given_, by_hand, mirror)
        assert distance(get(conv.x, row[: conv.x.size]), wanted) < 2e-6
        assert not around(conv.x, row[: conv.x.size]).any()


@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_what_is_not_finite_stays_with_the_windows_that_see_it(bad):
    spec = joined((4, 4), (3, 3), (1, 1), 64, 64)
    conv = replace(spec.conv, function=None)
    spec = replace(spec, conv=conv)
    images, x = images_of(conv.x, spec.x_next, 3, 0)
    images[1, 0, 3, 5] = bad
    x[1, : conv.x.size] = put(conv.x, images[1])
    _, memory, bias = weights_of(conv)
    _, y = images_of(conv.y, spec.y_next, 3, 3)
    out = sum_grads(spec, x, y)
    for made in (out, sum_grads_by_tasks(spec, x, y)):
        assert np.isfinite(np.delete(made, 5, axis=2)).all()
        assert np.isfinite(made[0, 0]).all()  # no output sees it by this tap
        assert not np.isfinite(made[1, 1, 5]).any()
    run(spec, x, memory, bias, y)
    for n, row in enumerate(y):
        made = get(conv.y, row[: conv.y.size])
        near = np.zeros((4, 4), bool)
        near[:2, 2:] = n == 1
        assert np.isfinite(made[~near]).all()
        assert not np.isfinite(made[near]).any()
