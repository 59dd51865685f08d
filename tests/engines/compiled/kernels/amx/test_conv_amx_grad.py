"""Gradients of a convolution on AMX against their definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.bfloat16 import operands
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, numbers
from oracles.maps import aligned, around, distance, get, grad_input, grad_weight, put

from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.amx import conv_amx
from pellucid.engines.compiled.kernels.amx import conv_amx_grad as kernels
from pellucid.engines.compiled.kernels.amx.conv_amx import ConvAmx
from pellucid.engines.compiled.kernels.amx.conv_amx_grad import ConvAmxGrad
from pellucid.engines.compiled.kernels.conv.conv_input_grad import (
    conv_turn_weight,
    gradient_halo,
)
from pellucid.engines.compiled.lowering.layers.lower_amx import mirror

pytestmark = pytest.mark.skipif(not target().has_amx, reason="a processor without AMX")


def sizes(steps: int):
    """Draw convolutions of strides and dilations up to that."""
    return convolutions(
        kernels=st.integers(1, 3),
        channels=st.sampled_from([16, 24, 64]),
        outputs=st.sampled_from([16, 32, 60]),
        steps=st.integers(1, steps),
        size=8,
        among=[16],
    )


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(sizes(2), st.sampled_from([1, 3, 70]), st.sampled_from([1, 3]))
def test_images_are_joined_to_the_weights_gradient(drawn, images, cuts):
    _, conv = drawn
    conv = replace(conv, function=None)
    # images lie further apart than they are large
    spec = ConvAmxGrad(ConvAmx(conv, cuts), conv.x.size + 32, conv.y.size + 16)
    shapes = ((images, m.height, m.width, m.channels) for m in (conv.x, conv.y))
    x, grad_y = (numbers(shape, seed) for seed, shape in enumerate(shapes))
    memories = []
    for m, apart, given_ in (
        (conv.x, spec.x_next, x),
        (conv.y, spec.grad_next, grad_y),
    ):
        memory = aligned((images, apart))
        memory[:, m.size :] = np.nan
        for i, image in enumerate(given_):
            memory[i, : m.size] = put(m, image)
        memories.append(memory)
    sums, scratch = aligned((spec.sums_size,)), aligned((spec.scratch_size,))
    scratch[:] = np.nan  # what an earlier step left there must not be seen
    compiled(kernels.conv_amx_grad_weight, spec)(*memories, sums, scratch, images)
    grad = aligned(conv.weight_shape)
    grad[:] = 1
    compiled(kernels.conv_amx_grad_back, spec)(sums, grad)
    pairs = zip(*operands(cuts, x, grad_y), strict=True)
    wanted = sum(grad_weight(*pair, conv) for pair in pairs)
    found = grad[..., : conv.x.channels, : conv.y.channels]
    assert distance(found - 1, wanted) < 4e-6
    assert (grad[..., conv.y.channels :] == 1).all()
    assert (grad[:, :, conv.x.channels :] == 1).all()


@settings(max_examples=examples(12), deadline=None, derandomize=True)
@given(sizes(1), st.booleans(), st.sampled_from([1, 3]))
def test_the_inputs_gradient_is_a_convolution_of_grad_y(drawn, accumulates, cuts):
    _, conv = drawn
    conv = replace(conv, y=conv.y.with_halo(gradient_halo(conv)))
    turned = mirror(conv, accumulate=accumulates)
    if turned is None:
        return
    spec = ConvAmx(turned, cuts, is_mirrored=True)
    w = numbers((*conv.kernel, conv.x.channels, conv.y.channels), 1)
    grad_y = numbers((conv.y.height, conv.y.width, conv.y.channels))
    memory, flat = aligned(conv.weight_shape), aligned(conv.transposed_shape)
    memory[..., : w.shape[2], : w.shape[3]] = w
    compiled(conv_turn_weight, conv)(memory, flat)
    right, cut = aligned((spec.right_size,)), aligned((spec.left_size,))
    compiled(conv_amx.conv_amx_weight, spec)(flat, right)
    image, sums = put(conv.y, grad_y), aligned((spec.sums_size,))
    before = numbers((conv.x.height, conv.x.width, conv.x.channels), 2) * accumulates
    to = put(conv.x, before)
    compiled(conv_amx.conv_amx_cut, spec)(image, cut)
    compiled(conv_amx.conv_amx, spec)(cut, right, image, flat, right, to, sums)
    wanted = grad_input(*operands(cuts, w, grad_y), conv) + before
    assert distance(get(conv.x, to), wanted) < 4e-6
    assert not around(conv.x, to.copy()).any()
