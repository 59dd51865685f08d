"""PReLU and constant rescaling, with numbers per channel: both passes."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    pixels,
    spans,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class Slopes:
    """How x and y (or grad_y and grad_x) lie; one slope for all, or one a channel."""

    x: ImageLayout
    y: ImageLayout
    is_shared: bool
    grad_x: ImageLayout | None = None
    accumulate: bool = False


def _slope(slope: Pointer, start: Number, lanes: int, spec: Slopes) -> Value:
    if spec.is_shared:
        return slope.splat(0, lanes=lanes)
    return slope.vector(start, lanes=lanes)


@kernel(x="f32*", slope="f32*", y="f32*")
def prelu_forward(
    b: Builder, x: Pointer, slope: Pointer, y: Pointer, *, spec: Slopes
) -> None:
    """y = x where x > 0, else slope · x."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            value = at[0].vector(start, lanes=lanes)
            below = value * _slope(slope, start, lanes, spec)
            at[1].store(held(b, mask, b.select(value > 0.0, value, below)), start)

        each_span(b, cuts, span)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@kernel(x="f32*", grad_y="f32*", slope="f32*", grad_x="f32*")
def prelu_grad_input(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    slope: Pointer,
    grad_x: Pointer,
    *,
    spec: Slopes,
) -> None:
    """grad_x = or += grad_y where x > 0, else slope · grad_y."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            value, grad = (place.vector(start, lanes=lanes) for place in at[:2])
            below = grad * _slope(slope, start, lanes, spec)
            found = held(b, mask, b.select(value > 0.0, grad, below))
            if spec.accumulate:
                found = found + at[2].vector(start, lanes=lanes)
            at[2].store(found, start)

        each_span(b, cuts, span)

    to = spec.grad_x or spec.x
    pixels(b, [(x, spec.x), (grad_y, spec.y), (grad_x, to)], pixel)


@kernel(x="f32*", grad_y="f32*", grad_slope="f32*")
def prelu_grad_slope(
    b: Builder, x: Pointer, grad_y: Pointer, grad_slope: Pointer, *, spec: Slopes
) -> None:
    """grad_slope += Σ grad_y · x over the x that are not positive.

    A row of the image has a sum of its own; so has, for a shared slope, each lane.
    """
    cuts = channel_spans(b, spec.x.channels)
    whole = b.var(b.zeros(cuts[0][1])) if spec.is_shared else None

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        with b.loop(spec.x.height) as i:
            row = b.var(b.zeros(lanes))
            at = [
                place + (i * m.row + m.at(0, 0))
                for place, m in ((x, spec.x), (grad_y, spec.y))
            ]
            with b.loop(spec.x.width) as j:
                value = at[0].vector(j * spec.x.padded_channels + start, lanes=lanes)
                grad = at[1].vector(j * spec.y.padded_channels + start, lanes=lanes)
                zero = b.zeros(lanes)
                row.add(held(b, mask, b.select(value > 0.0, zero, grad * value)))
            if whole is not None:
                whole.add(row.get())
            else:
                before = grad_slope.vector(start, lanes=lanes)
                grad_slope.store(before + row.get(), start)

    each_span(b, cuts, span)
    if whole is not None:
        grad_slope.store(grad_slope.load() + b.total(whole.get()))


@dataclass(frozen=True, slots=True)
class Constants:
    """x · scale + offset, or grad_y · scale; the numbers of each channel."""

    x: ImageLayout
    y: ImageLayout
    scale: tuple[float, ...]
    offset: tuple[float, ...] | None = None
    accumulate: bool = False


@kernel(x="f32*", y="f32*")
def rescale(b: Builder, x: Pointer, y: Pointer, *, spec: Constants) -> None:
    """y = or += x · scale + offset, the constants written into the code."""
    cuts = channel_spans(b, spec.x.channels)
    scale = b.table(spec.scale, padded=spec.x.padded_channels)
    offset = (
        b.table(spec.offset, padded=spec.x.padded_channels) if spec.offset else None
    )

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            value = at[0].vector(start, lanes=lanes)
            factor = scale.vector(start, lanes=lanes)
            if offset is None:
                value = value * factor
            else:
                value = b.fma(value, factor, offset.vector(start, lanes=lanes))
            value = held(b, mask, value)
            if spec.accumulate:
                value = value + at[1].vector(start, lanes=lanes)
            at[1].store(value, start)

        each_span(b, cuts, span)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@dataclass(frozen=True, slots=True)
class Gate:
    """An image, and the one pixel whose channels it is multiplied with."""

    y: ImageLayout
    gate: ImageLayout


@kernel(gate="f32*", y="f32*")
def gate_in_place(
    b: Builder, gate: Pointer, y: Pointer, *, spec: Gate, part: Part | None = None
) -> None:
    """y[i, j, c] *= gate[c]; a part is some rows."""
    m, gate = spec.y, gate + spec.gate.at(0, 0)
    first, last = part or (0, m.height)
    with b.loop(last, start=first) as i, b.loop(m.width) as j:
        pixel = y + (i * m.row + j * m.padded_channels + m.at(0, 0))
        for start, lanes, many in spans(m.padded_channels, b.lanes):
            with b.loop(many) as k:
                c = k * lanes + start
                value = pixel.vector(c, lanes=lanes) * gate.vector(c, lanes=lanes)
                pixel.store(value, c)
