from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import maps
from oracles.examples import examples
from oracles.kernel_runner import compiled
from oracles.kernels import convolutions, numbers
from oracles.maps import aligned, around, convolved, distance, get, put

from pellucid.engines.compiled.codegen import in_parts
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.winograd import winograd_joined as kernels
from pellucid.engines.compiled.kernels.winograd import winograd_joined_grad
from pellucid.engines.compiled.kernels.winograd.winograd_joined import Joined, join
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import Winograd
from pellucid.engines.compiled.kernels.winograd.winograd_weight import (
    amx_steps,
    taps_size,
    weight_size,
    winograd_amx_weight,
    winograd_weight,
)

SIZES = convolutions(
    kernels=st.just(3),
    channels=st.sampled_from([4, 16, 20, 32]),
    outputs=st.sampled_from([8, 16, 24, 48]),
    size=11,
    smallest=2,
)
EDGES = st.sampled_from([2, 4])
#: elements between images, more than any has
APART = 16 * 1024


def winograd(lanes, conv, edge):
    """Return a spec that is on AMX where the convolution fills its tiles."""
    edge = edge if min(conv.y.height, conv.y.width) >= edge else 2
    fills = conv.x.padded_channels % 32 == 0 == conv.y.padded_channels % 16
    fills = fills and conv.x.channels == conv.x.padded_channels and edge == 4
    on_amx = fills and lanes == 16 and target().has_amx
    return Winograd(conv, False, conv.y, edge=edge, on_amx=on_amx, writes_once=True)


def transformed(spec, machine, w):
    """Return the transformed weights."""
    memory = aligned(spec.conv.weight_shape)
    memory[:, :, : w.shape[2], : w.shape[3]] = w
    u, kept = aligned((weight_size(spec),)), aligned((taps_size(machine.lanes),))
    if not spec.on_amx:
        compiled(winograd_weight, spec, on=machine)(memory, u, kept)
        return u
    call, (of_weight, of_u) = compiled(winograd_amx_weight, spec), amx_steps(spec)
    for block in range(spec.conv.y.padded_channels // 16):
        call(memory.reshape(-1)[block * of_weight :], u[block * of_u :], kept)
    return u


def images(layout, count, seed):
    """Return some images and the memory that holds them."""
    shape = (layout.height, layout.width, layout.channels)
    values = [numbers(shape, seed + k) for k in range(count)]
    memory = aligned((count * APART,))
    for k, value in enumerate(values):
        memory[k * APART :][: layout.size] = put(layout, value)
    return values, memory


@settings(max_examples=examples(10), deadline=None, derandomize=True)
@given(SIZES, EDGES, st.integers(1, 9), st.sampled_from([1, 2, 4, 8]))
def test_images_that_go_together_are_the_convolutions(sizes, edge, count, group):
    lanes, conv = sizes
    spec, machine = winograd(lanes, conv, edge), target(lanes)
    values, x = images(conv.x, count, 0)
    w = numbers((3, 3, conv.x.channels, conv.y.channels), 90)
    bias = aligned((conv.y.padded_channels,))
    bias[: conv.y.channels] = numbers((conv.y.channels,), 91)
    joined, y = Joined(spec, group), aligned((count * APART,))
    scratch = aligned((kernels.joined_scratch_size(joined),))
    call = compiled(kernels.winograd_joined, joined, on=machine)
    u = transformed(spec, machine, w)
    call(x, u, bias, y, scratch, count, APART, APART)
    for k, value in enumerate(values):
        mine = y[k * APART :][: conv.y.size]
        wanted = np.maximum(convolved(value, w, conv) + bias[: conv.y.channels], 0)
        assert distance(get(conv.y, mine), wanted) < 5e-6
        assert not around(conv.y, mine.copy()).any()


@settings(max_examples=examples(10), deadline=None, derandomize=True)
@given(SIZES, EDGES, st.integers(1, 5))
def test_an_image_in_steps_and_parts_is_the_convolution(sizes, edge, size):
    lanes, conv = sizes
    spec, machine = winograd(lanes, conv, edge), target(lanes)
    (value,), x = images(conv.x, 1, 0)
    w = numbers((3, 3, conv.x.channels, conv.y.channels), 90)
    bias = aligned((conv.y.padded_channels,))
    u, y = transformed(spec, machine, w), aligned((conv.y.size,))
    joined = Joined(spec, 4)
    scratch = aligned((kernels.joined_scratch_size(joined),))
    made = scratch[kernels.products_at(joined) :]
    for kernel, places, parts in (
        (kernels.winograd_transform, (x, scratch), spec.tiles[0]),
        (kernels.winograd_products, (scratch, u, made), spec.spots),
        (kernels.winograd_outputs, (made, bias, y), spec.tiles[0]),
    ):
        call = compiled(in_parts(kernel), joined, on=machine)
        for first in reversed(range(0, parts, size)):
            call(*places, first, min(first + size, parts))
    wanted = np.maximum(convolved(value, w, conv), 0)
    assert distance(get(conv.y, y), wanted) < 5e-6


@settings(max_examples=examples(10), deadline=None, derandomize=True)
@given(SIZES, EDGES, st.integers(1, 9), st.sampled_from([1, 2, 4, 8]))
def test_the_weights_gradient_is_the_sum_over_images(sizes, edge, count, group):
    lanes, conv = sizes
    spec, machine = replace(winograd(lanes, conv, edge), on_amx=False), target(lanes)
    values, x = images(conv.x, count, 0)
    grads, grad_y = images(conv.y, count, 20)
    joined, grad = Joined(spec, group), aligned(conv.weight_shape)
    channels, outputs = conv.x.channels, conv.y.channels
    grad[:, :, :channels, :outputs] = 1.0
    scratch = aligned((winograd_joined_grad.joined_grad_scratch_size(joined),))
    call = compiled(winograd_joined_grad.winograd_joined_grad, joined, on=machine)
    call(x, grad_y, grad, scratch, count, APART, APART)
    pairs = zip(values, grads, strict=True)
    expected = 1.0 + sum(maps.grad_weight(a, g, conv) for a, g in pairs)
    assert distance(grad[:, :, :channels, :outputs], expected) < 5e-6
    grad[:, :, :channels, :outputs] = 0
    assert not grad.any()


def test_small_maps_and_large_weights_are_joined():
    def spec(size, channels, **how):
        m = ImageLayout(size, size, channels, channels)
        return Winograd(Conv(m, m, (3, 3), top_left=(1, 1)), False, m, **how)

    assert join(spec(2, 256)).images == 16
    assert join(spec(7, 512)).images == 16
    assert join(spec(14, 256)).images == 4
    assert join(spec(28, 128)).images == 1
    assert join(spec(56, 256)) is None  # many tiles fill the registers
    assert join(spec(16, 32)) is None  # the weights stay in the cache
    assert join(spec(7, 512, keeps_zeros=True)) is None
