"""Integer convolutions: sums of products in float32 tiles that are exact.

A float32 holds integers up to 2²⁴. A tile adds up so few products that its sum stays
below, and sums of tiles are added as integers of 32 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, Var, kernel
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.scaling import Scaling, scale_sums
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    Part,
    lanes_for,
    runs,
    split,
    tile,
    tile_shape,
)

Pair = tuple[int, int]
_EXACT = 2**24
_INPUT = 255  # the largest integer, counted from its zero point


@dataclass(frozen=True, slots=True)
class Sums:
    """An integer convolution; ``most_weight`` is the largest weight there may be.

    Weights are [kernel_h][kernel_w][input channels][output channels], or without
    input channels where each channel has a kernel of its own (``is_depthwise``).
    """

    x: ImageLayout
    y: ImageLayout
    kernel: Pair
    stride: Pair
    dilation: Pair
    top_left: Pair
    is_depthwise: bool
    has_bias: bool
    most_weight: int
    scaling: Scaling | None  # None where sums become floats

    @property
    def most_terms(self) -> int:
        """How many products may be added up in float32."""
        return (_EXACT - 1) // (_INPUT * self.most_weight)


@dataclass(frozen=True, slots=True)
class HybridSums:
    """An integer convolution whose sums become floats.

    ``scales_first`` multiplies a sum by the weight's scale before the image's step.
    """

    sums: Sums
    has_bias: bool
    scales_first: bool
    has_steps_of_pixels: bool


_Body = Callable[[Value, Value, int, Value, int], None]


def _blocks(b: Builder, spec: Sums, lanes: int, part: Part | None, body: _Body) -> None:
    """Call body(row, first column, columns, first channel, vectors) for each tile."""
    vectors = spec.y.padded_channels // lanes
    most_rows, most_vectors = tile_shape(b, vectors, spec.y.width)
    first, last = part or (0, spec.y.height)
    with b.loop(last, start=first) as i:
        for v, count, many in runs(split(vectors, most_vectors)):
            with b.loop(many) as k:
                channel = k * (count * lanes) + v * lanes
                for j, columns, times in runs(split(spec.y.width, most_rows)):
                    with b.loop(times) as at:
                        body(i, at * columns + j, columns, channel, count)


@kernel(x="f32*", weight="f32*", bias="f32*", factors="f32*", y="f32*")
def conv_sums(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    factors: Pointer,
    y: Pointer,
    *,
    spec: Sums,
    part: Part | None = None,
) -> None:
    """y = clip(round(factor · (x * w + bias))); the zeros around x lie in memory.

    A part is some rows of y.
    """
    if spec.scaling is None:
        raise TypeError(spec)
    scaling = spec.scaling

    def finish(total: Value, channel: Value, pixel: Value) -> Value:
        return scale_sums(b, total, factors, channel, scaling)

    _convolve(b, (x, weight, bias, y), spec, finish, part)


@kernel(x="f32*", weight="f32*", bias="f32*", scales="f32*", steps="f32*", y="f32*")
def conv_hybrid(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    scales: Pointer,
    steps: Pointer,
    y: Pointer,
    *,
    spec: HybridSums,
    part: Part | None = None,
) -> None:
    """y = step · scale · (x * w) + bias, in floats that are each rounded.

    ``steps`` has one number for the image, or one for each of its pixels.
    """
    sums = spec.sums
    lanes = lanes_for(b, sums.y.padded_channels)

    def finish(total: Value, channel: Value, pixel: Value) -> Value:
        step = steps.splat(pixel if spec.has_steps_of_pixels else 0, lanes=lanes)
        scale, value = scales.vector(channel, lanes=lanes), b.to_float(total)
        if spec.scales_first:
            value = b.product(b.product(value, scale), step)
        else:
            value = b.product(value, b.product(step, scale))
        return value + bias.vector(channel, lanes=lanes) if spec.has_bias else value

    _convolve(b, (x, weight, bias, y), sums, finish, part)


def _convolve(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    spec: Sums,
    finish: Callable[[Value, Value, Value], Value],
    part: Part | None,
) -> None:
    """Store what ``finish`` makes of each sum, its channel and its pixel's column."""
    x, weight, bias, y = places
    lanes = lanes_for(b, spec.y.padded_channels)

    def block(i: Value, j: Value, columns: int, channel: Value, vectors: int) -> None:
        m = spec.x
        corner = m.at(-spec.top_left[0], -spec.top_left[1])
        a = x + (i * (spec.stride[0] * m.row) + corner)
        a = a + j * (spec.stride[1] * m.padded_channels)
        rows = [r * spec.stride[1] * m.padded_channels for r in range(columns)]
        totals = [
            [
                b.var(_start(b, bias, channel + v * lanes, lanes, spec))
                for v in range(vectors)
            ]
            for _ in rows
        ]
        if spec.is_depthwise:
            _add_depthwise(b, a + channel, weight + channel, rows, totals, lanes, spec)
        else:
            _add_all(b, a, weight + channel, rows, totals, lanes, spec)
        out = y + (i * spec.y.row + spec.y.at(0, 0)) + j * spec.y.padded_channels
        for r, row in enumerate(totals):
            for v, total in enumerate(row):
                at = channel + v * lanes
                made = finish(total.get(), at, j + r)
                out.store(made, at + r * spec.y.padded_channels)

    _blocks(b, spec, lanes, part, block)


def _start(b: Builder, bias: Pointer, at: Value, lanes: int, spec: Sums) -> Value:
    """Return what a sum begins with: the bias, whose bits are those of an integer."""
    if spec.has_bias:
        return bias.cast("i32").vector(at, lanes=lanes)
    return b.to_int(b.zeros(lanes))


def _add_all(
    b: Builder,
    a: Pointer,
    w: Pointer,
    rows: list[int],
    totals: list[list[Var]],
    lanes: int,
    spec: Sums,
) -> None:
    """Add the products of every input channel, by tiles that are exact."""
    m, out = spec.x, spec.y.padded_channels
    channels = m.channels
    steps = (
        (spec.dilation[0] * m.row, spec.kernel[1] * channels * out),
        (spec.dilation[1] * m.padded_channels, channels * out),
        (1, out),
    )
    counts = (*spec.kernel, channels)
    axes = [Axis(n, *step) for n, step in zip(counts, steps, strict=True)]

    def nest(pa: Pointer, pw: Pointer, outer: int) -> None:
        if prod(counts[outer:]) <= spec.most_terms:
            _add_tile(b, pa, pw, rows, totals, axes[outer:], lanes)
            return
        axis = axes[outer]
        if outer < len(axes) - 1:
            with b.loop(axis.count) as n:
                nest(pa + n * axis.a_step, pw + n * axis.b_step, outer + 1)
            return
        for first, count, many in runs(split(channels, spec.most_terms)):
            with b.loop(many) as n:
                at = n * count + first
                few = [Axis(count, axis.a_step, axis.b_step)]
                _add_tile(b, pa + at, pw + at * out, rows, totals, few, lanes)

    nest(a, w, 0)


def _add_tile(
    b: Builder,
    a: Pointer,
    w: Pointer,
    rows: list[int],
    totals: list[list[Var]],
    axes: list[Axis],
    lanes: int,
) -> None:
    found = tile(b, a, w, rows=rows, vectors=len(totals[0]), axes=axes, lanes=lanes)
    for held, made in zip(totals, found, strict=True):
        for total, value in zip(held, made, strict=True):
            total.add(b.to_int(value))


def _add_depthwise(
    b: Builder,
    a: Pointer,
    w: Pointer,
    rows: list[int],
    totals: list[list[Var]],
    lanes: int,
    spec: Sums,
) -> None:
    """Add the products of each channel with its own kernel."""
    m, out = spec.x, spec.y.padded_channels
    with b.loop(spec.kernel[0]) as u, b.loop(spec.kernel[1]) as v:
        pa = a + u * (spec.dilation[0] * m.row)
        pa = pa + v * (spec.dilation[1] * m.padded_channels)
        pw = w + (u * spec.kernel[1] + v) * out
        for r, held in zip(rows, totals, strict=True):
            for n, total in enumerate(held):
                product = pa.vector(r + n * lanes, lanes=lanes) * pw.vector(
                    n * lanes, lanes=lanes
                )
                total.add(b.to_int(product))


@kernel(x="f32*", weight="f32*", bias="f32*", factors="f32*", y="f32*")
def conv_transpose_sums(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    factors: Pointer,
    y: Pointer,
    *,
    spec: Sums,
    part: Part | None = None,
) -> None:
    """The transposed convolution: output (i, j) asks which inputs reach it.

    Input p reaches i through kernel row u where p · stride + u · dilation = i + top.
    """
    if spec.scaling is None:
        raise TypeError(spec)
    scaling = spec.scaling
    lanes, m = lanes_for(b, spec.y.padded_channels), spec.x
    out, channels = spec.y.padded_channels, m.channels
    first, last = part or (0, spec.y.height)
    with (
        b.loop(last, start=first) as i,
        b.loop(spec.y.width) as j,
        b.loop(out // lanes) as k,
    ):
        channel = k * lanes
        totals = [[b.var(_start(b, bias, channel, lanes, spec))]]
        with b.loop(spec.kernel[0]) as u, b.loop(spec.kernel[1]) as v:
            down, across = (
                at + before - n * dilation
                for at, before, n, dilation in zip(
                    (i, j), spec.top_left, (u, v), spec.dilation, strict=True
                )
            )
            p, q = down // spec.stride[0], across // spec.stride[1]
            is_there = (
                (p * spec.stride[0]).equals(down)
                & (q * spec.stride[1]).equals(across)
                & p.unsigned_below(m.height)
                & q.unsigned_below(m.width)
            )
            with b.when(is_there):
                pa = x + (p * m.row + q * m.padded_channels + m.at(0, 0))
                pw = weight + (u * spec.kernel[1] + v) * (channels * out) + channel
                for start, count, many in runs(split(channels, spec.most_terms)):
                    with b.loop(many) as n:
                        at = n * count + start
                        few = [Axis(count, 1, out)]
                        _add_tile(b, pa + at, pw + at * out, [0], totals, few, lanes)
        scaled = scale_sums(b, totals[0][0].get(), factors, channel, scaling)
        place = i * spec.y.row + j * out + spec.y.at(0, 0)
        y.store(scaled, place + channel)
