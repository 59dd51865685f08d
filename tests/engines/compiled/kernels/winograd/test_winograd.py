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
from pellucid.engines.compiled.kernels.conv.zero_mask import (
    find_zeros,
    row_size,
    seen_size,
)
from pellucid.engines.compiled.kernels.winograd.winograd import (
    Winograd,
    scratch_size,
    weight_size,
    winograd_fits,
    winograd_forward,
    winograd_weight,
)
from pellucid.engines.compiled.kernels.winograd.winograd_transforms import on_amx
from pellucid.engines.compiled.kernels.winograd.winograd_weight import (
    amx_steps,
    taps_size,
    winograd_amx_weight,
)

SIZES = convolutions(
    kernels=st.just(3),
    channels=st.sampled_from([4, 16, 20, 32]),
    outputs=st.sampled_from([8, 16, 24, 40]),
    size=14,
    smallest=2,
)

if target().has_amx:
    WIDE = convolutions(
        kernels=st.just(3),
        channels=st.sampled_from([20, 32, 64]),
        outputs=st.sampled_from([16, 40, 64]),
        size=14,
        smallest=2,
        among=[16],
    )
    SIZES = st.one_of(SIZES, WIDE)

EDGES = st.sampled_from([2, 4])


def made(lanes, conv, pooled, y, **how):
    """Return a spec that is on AMX where the convolution fills its tiles."""
    fills = conv.x.padded_channels % 32 == 0 == conv.y.padded_channels % 16
    has_amx = lanes == 16 and target().has_amx
    return Winograd(conv, pooled, y, on_amx=fills and has_amx, **how)


def edge_of(conv, edge):
    """Return a tile's edge, held to what fits into the output."""
    return edge if min(conv.y.height, conv.y.width) >= edge else 2


def memory_of(spec, w):
    """Return the layer's weights as the spec says they lie."""
    depth, out = spec.conv.x.padded_channels, spec.conv.y.padded_channels
    whole = aligned((3, 3, depth, out))
    whole[:, :, : w.shape[2], : w.shape[3]] = w
    if spec.is_turned:
        whole = whole[::-1, ::-1].swapaxes(2, 3)
    if spec.weight_layout == "ohwi":
        whole = whole.transpose(3, 0, 1, 2)
    kept = aligned(whole.shape)
    kept[...] = whole
    return kept


def transform(spec, memory, u, machine):
    kept = aligned((taps_size(machine.lanes),))
    if not spec.on_amx:
        compiled(winograd_weight, spec, on=machine)(memory, u, kept)
        return
    call, (of_weight, of_u) = compiled(winograd_amx_weight, spec), amx_steps(spec)
    for block in range(spec.conv.y.padded_channels // 16):
        call(memory.reshape(-1)[block * of_weight :], u[block * of_u :], kept)


def run(lanes, spec, x, w, bias, before=0.0):
    """Return the output, its codes and what lies around it."""
    u, scratch = aligned((weight_size(spec),)), aligned((scratch_size(spec, lanes),))
    shift, y = aligned((spec.conv.y.padded_channels,)), spec.y
    shift[: y.channels] = bias
    memory = put(y, before)
    codes = aligned((y.height, y.width, y.padded_channels), np.uint8)
    machine = target(lanes)
    transform(spec, memory_of(spec, w), u, machine)
    seen = aligned((seen_size(spec.conv),), np.int32)
    compiled(find_zeros, spec.conv, on=machine)(put(spec.conv.x, x), seen)
    call = compiled(winograd_forward, spec, on=machine)
    call(put(spec.conv.x, x), u, shift, memory, codes, seen, scratch)
    return get(y, memory), codes[..., : y.channels], around(y, memory)


def given_numbers(conv):
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    w = numbers((3, 3, conv.x.channels, conv.y.channels), 1)
    return x, w, numbers((conv.y.channels,), 2)


@settings(max_examples=examples(24), deadline=None, derandomize=True)
@given(SIZES, EDGES, st.sampled_from(["hwio", "ohwi"]), st.booleans())
def test_outputs_are_the_convolutions(sizes, edge, layout, is_turned):
    lanes, conv = sizes
    how = {"weight_layout": layout, "is_turned": is_turned}
    spec = made(lanes, conv, False, conv.y, edge=edge_of(conv, edge), **how)
    x, w, bias = given_numbers(conv)
    y, _, halo = run(lanes, spec, x, w, bias)
    assert distance(y, np.maximum(convolved(x, w, conv) + bias, 0)) < 5e-6
    assert not halo.any()


@settings(max_examples=examples(24), deadline=None, derandomize=True)
@given(SIZES, EDGES)
def test_every_output_is_added_once(sizes, edge):
    lanes, conv = sizes
    conv = replace(conv, has_bias=False, function=None, accumulate=True)
    x, w, _ = given_numbers(conv)
    before = numbers((conv.y.height, conv.y.width, conv.y.channels), 3)
    spec = made(lanes, conv, False, conv.y, edge=edge_of(conv, edge))
    y, _, _ = run(lanes, spec, x, w, 0.0, before)
    assert distance(y, convolved(x, w, conv) + before) < 5e-6


@settings(max_examples=examples(24), deadline=None, derandomize=True)
@given(SIZES, EDGES)
def test_pooled_windows_hold_the_largest_and_say_which_it_was(sizes, edge):
    lanes, conv = sizes
    c = conv.y
    y = laid(c.height // 2, c.width // 2, c.channels, lanes, ((0, 1), (1, 2)))
    x, w, bias = given_numbers(conv)
    spec = made(lanes, conv, True, y, edge=edge_of(conv, edge))
    found, codes, halo = run(lanes, spec, x, w, bias)
    value, code = pooled(convolved(x, w, conv) + bias)
    assert distance(found, np.maximum(value, 0)) < 5e-6
    # transforms round: what is nearly equal, or nearly dead, may be told apart
    assert (codes != np.where(value > 0, code, 4)).mean() < 1e-3
    assert not halo.any()


@settings(max_examples=examples(24), deadline=None, derandomize=True)
@given(SIZES, EDGES, st.booleans())
def test_what_sees_only_zeros_is_the_bias_exactly(sizes, edge, is_pooled):
    lanes, conv = sizes
    c, y = conv.y, conv.y
    if is_pooled:
        y = laid(c.height // 2, c.width // 2, c.channels, lanes, ((0, 1), (1, 2)))
    x, w, bias = given_numbers(conv)
    x[:, x.shape[1] // 3 :] = -0.0
    x[-1, -1] = 0.5
    bias[::2], bias[1::4] = 0.0, -0.25
    spec = made(lanes, conv, is_pooled, y, edge=edge_of(conv, edge), keeps_zeros=True)
    found, codes, _ = run(lanes, spec, x, w, bias)
    blind = convolved(np.abs(x) > 0, np.ones_like(w), conv) == 0
    if is_pooled:
        windows = blind[: 2 * y.height, : 2 * y.width, 0]
        blind = windows.reshape(y.height, 2, y.width, 2).all((1, 3))
        expected = np.where(bias > 0, 0, 4)
        assert (codes[blind] == expected).all()
    else:
        blind = blind[..., 0]
    assert (found[blind] == np.maximum(bias, 0)).all()


@settings(max_examples=examples(24), deadline=None, derandomize=True)
@given(SIZES)
def test_an_output_sees_what_is_not_zero(sizes):
    lanes, conv = sizes
    x = numbers((conv.x.height, conv.x.width, conv.x.channels))
    x[np.random.default_rng(3).random(x.shape[:2]) < 0.7] = -0.0
    x[0, 0, 0] = np.nan
    seen = aligned((seen_size(conv),), np.int32)
    compiled(find_zeros, conv, on=target(lanes))(put(conv.x, x), seen)
    width = row_size(conv)
    found = seen[: conv.y.height * width].reshape(-1, width)[:, : conv.y.width]
    taps = np.ones((*conv.kernel, conv.x.channels, 1))
    counts = convolved((x != 0).astype(float), taps, replace(conv, has_bias=False))
    assert (found == np.where(counts[..., 0] > 0, -1, 0)).all()


def plain(lanes):
    x = laid(8, 8, 16, lanes, ((1, 1), (1, 1)))
    y = laid(8, 8, 16, lanes, ((0, 0), (0, 0)))
    return Conv(x, y, (3, 3), top_left=(1, 1), function=RELU)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("is_pooled", [False, True])
def test_nan_reaches_its_tiles_and_no_others(lanes, is_pooled):
    conv = plain(lanes)
    y = laid(4, 4, 16, lanes, ((0, 0), (0, 0))) if is_pooled else conv.y
    x, w, bias = given_numbers(conv)
    x[1, 1, 5] = np.nan
    found, _, _ = run(lanes, Winograd(conv, is_pooled, y), x, w, bias)
    near = found[:1, :1] if is_pooled else found[:3, :3]
    far = found[2:, 2:] if is_pooled else found[4:, 4:]
    assert np.isnan(near).all()
    assert np.isfinite(far).all()


def test_only_plain_3_by_3_convolutions_of_many_channels_fit():
    conv = plain(4)
    assert winograd_fits(conv)
    assert not winograd_fits(replace(conv, kernel=(5, 5)))
    assert not winograd_fits(replace(conv, stride=(2, 1)))
    assert not winograd_fits(replace(conv, dilation=(1, 2)))
    assert not winograd_fits(replace(conv, groups=2))
    assert not winograd_fits(replace(conv, x=replace(conv.x, channels=3)))


def test_large_tiles_are_taken_where_they_fit_and_pay():
    conv = plain(4)
    assert Winograd(conv, False, conv.y).title == "Winograd F(4×4, 3×3)"
    narrow = replace(conv, y=replace(conv.y, height=3))
    assert Winograd(narrow, False, narrow.y).title == "Winograd F(2×2, 3×3)"
    # 6 rows and columns take four tiles of 36 products, or nine of 16
    small = replace(conv, y=replace(conv.y, height=6, width=6))
    assert Winograd(small, False, small.y).m == 2


def test_amx_is_taken_where_its_tiles_are_filled_and_it_pays():
    wide = laid(14, 14, 32, 16, ((1, 1), (1, 1)))
    y = laid(14, 14, 64, 16, ((0, 0), (0, 0)))
    conv = Conv(wide, y, (3, 3), top_left=(1, 1), function=RELU)
    spec = on_amx(Winograd(conv, False, y))
    assert spec.title == "Winograd F(4×4, 3×3) on AMX"
    padded = replace(conv, x=replace(wide, channels=20))  # what pads is not looked at
    assert not on_amx(Winograd(padded, False, y)).on_amx
    few = replace(conv, x=replace(wide, channels=16, padded_channels=16))
    assert not on_amx(Winograd(few, False, y)).on_amx
    # 8 rows and columns are four tiles, and 16 are computed
    small = replace(conv, y=replace(y, height=8, width=8))
    assert not on_amx(Winograd(small, False, small.y)).on_amx
    assert not on_amx(Winograd(conv, False, y, edge=2)).on_amx
