"""Layer normalization over the channels of each pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    Cuts,
    channel_spans,
    each_span,
    has_many,
    held,
    pixels,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """How x and y (or grad_y and grad_x) lie."""

    x: ImageLayout
    y: ImageLayout
    epsilon: float
    grad_x: ImageLayout | None = None
    accumulate: bool = False


class _Centered:
    """x − mean of a pixel's channels, by vector: read again, not held, where many."""

    def __init__(self, b: Builder, at: Pointer, mean: Value) -> None:
        self._b, self._at, self._mean = b, at, mean

    def vector(self, start: Number, lanes: int, mask: Value | None) -> Value:
        """Return one vector; 0 behind the channels."""
        value = self._at.vector(start, lanes=lanes) - self._mean
        return held(self._b, mask, value)


def _sum(
    b: Builder, cuts: Cuts, term: Callable[[Number, int, Value | None], Value]
) -> Value:
    """Return the sum of a term over all channels, in a loop."""
    total = b.var(b.zeros(cuts[0][1]))

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        total.add(term(start, lanes, mask))

    each_span(b, cuts, span)
    return b.total(total.get())


def _long_moments(b: Builder, at: Pointer, spec: LayerNorm) -> tuple[_Centered, Value]:
    """Return as `_moments`, for many channels."""
    cuts, count = channel_spans(b, spec.x.channels), float(spec.x.channels)

    def value(start: Number, lanes: int, mask: Value | None) -> Value:
        del mask  # the padding holds zeros
        return at.vector(start, lanes=lanes)

    centered = _Centered(b, at, _sum(b, cuts, value) / count)

    def square(start: Number, lanes: int, mask: Value | None) -> Value:
        v = centered.vector(start, lanes, mask)
        return v * v

    return centered, 1.0 / b.sqrt(_sum(b, cuts, square) / count + spec.epsilon)


def _moments(b: Builder, at: Pointer, spec: LayerNorm) -> tuple[list[Value], Value]:
    """Return (x − mean) for each vector of channels, and 1 / σ."""
    cuts = channel_spans(b, spec.x.channels)
    count = float(spec.x.channels)
    values = [at.vector(start, lanes=lanes) for start, lanes, _ in cuts]
    mean = _total(b, values) / count
    centered = [
        held(b, mask, v - mean) for v, (_, _, mask) in zip(values, cuts, strict=True)
    ]
    variance = _total(b, [v * v for v in centered]) / count
    return centered, 1.0 / b.sqrt(variance + spec.epsilon)


def _total(b: Builder, values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return b.total(total)


@kernel(x="f32*", scale="f32*", offset="f32*", y="f32*")
def layer_norm_forward(
    b: Builder,
    x: Pointer,
    scale: Pointer,
    offset: Pointer,
    y: Pointer,
    *,
    spec: LayerNorm,
) -> None:
    """y = (x − mean) / σ · scale + offset over the last axis."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        centered, inverse = _moments(b, at[0], spec)
        for value, (start, lanes, _) in zip(centered, cuts, strict=True):
            weight = scale.vector(start, lanes=lanes)
            shift = offset.vector(start, lanes=lanes)
            at[1].store(b.fma(value * inverse, weight, shift), start)

    def long_pixel(at: list[Pointer]) -> None:
        centered, inverse = _long_moments(b, at[0], spec)

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            hat = centered.vector(start, lanes, mask) * inverse
            weight = scale.vector(start, lanes=lanes)
            shift = offset.vector(start, lanes=lanes)
            at[1].store(b.fma(hat, weight, shift), start)

        each_span(b, cuts, span)

    what = long_pixel if has_many(cuts) else pixel
    pixels(b, [(x, spec.x), (y, spec.y)], what)


@kernel(x="f32*", grad_y="f32*", scale="f32*", grad_x="f32*")
def layer_norm_grad_input(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    scale: Pointer,
    grad_x: Pointer,
    *,
    spec: LayerNorm,
) -> None:
    """grad_x = or += (g − mean g − x̂ · mean (g · x̂)) / σ with g = grad_y · scale."""
    cuts = channel_spans(b, spec.x.channels)
    count = float(spec.x.channels)
    to = spec.grad_x or spec.x

    def pixel(at: list[Pointer]) -> None:
        centered, inverse = _moments(b, at[0], spec)
        hats = [v * inverse for v in centered]
        g = [
            at[1].vector(start, lanes=lanes) * scale.vector(start, lanes=lanes)
            for start, lanes, _ in cuts
        ]
        mean = _total(b, g) / count
        along = _total(b, [p * q for p, q in zip(g, hats, strict=True)]) / count
        for one, hat, (start, lanes, mask) in zip(g, hats, cuts, strict=True):
            grad = held(b, mask, (one - mean - hat * along) * inverse)
            if spec.accumulate:
                grad = grad + at[2].vector(start, lanes=lanes)
            at[2].store(grad, start)

    def long_pixel(at: list[Pointer]) -> None:
        centered, inverse = _long_moments(b, at[0], spec)

        def g_of(start: Number, lanes: int, mask: Value | None) -> Value:
            del mask  # the padding of grad_y holds zeros
            return at[1].vector(start, lanes=lanes) * scale.vector(start, lanes=lanes)

        def product(start: Number, lanes: int, mask: Value | None) -> Value:
            hat = centered.vector(start, lanes, mask) * inverse
            return g_of(start, lanes, mask) * hat

        mean = _sum(b, cuts, g_of) / count
        along = _sum(b, cuts, product) / count

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            hat = centered.vector(start, lanes, mask) * inverse
            g = g_of(start, lanes, mask)
            grad = held(b, mask, (g - mean - hat * along) * inverse)
            if spec.accumulate:
                grad = grad + at[2].vector(start, lanes=lanes)
            at[2].store(grad, start)

        each_span(b, cuts, span)

    what = long_pixel if has_many(cuts) else pixel
    pixels(b, [(x, spec.x), (grad_y, spec.y), (grad_x, to)], what)


@kernel(x="f32*", grad_y="f32*", grad_scale="f32*", grad_offset="f32*")
def layer_norm_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_scale: Pointer,
    grad_offset: Pointer,
    *,
    spec: LayerNorm,
) -> None:
    """grad_scale += Σ grad_y · x̂; grad_offset += Σ grad_y."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        centered, inverse = _moments(b, at[0], spec)
        for value, (start, lanes, _) in zip(centered, cuts, strict=True):
            grad = at[1].vector(start, lanes=lanes)
            for place, term in (
                (grad_scale, grad * (value * inverse)),
                (grad_offset, grad),
            ):
                place.store(place.vector(start, lanes=lanes) + term, start)

    def long_pixel(at: list[Pointer]) -> None:
        centered, inverse = _long_moments(b, at[0], spec)

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            grad = at[1].vector(start, lanes=lanes)
            hat = centered.vector(start, lanes, mask) * inverse
            for place, term in ((grad_scale, grad * hat), (grad_offset, grad)):
                place.store(place.vector(start, lanes=lanes) + term, start)

        each_span(b, cuts, span)

    what = long_pixel if has_many(cuts) else pixel
    pixels(b, [(x, spec.x), (grad_y, spec.y)], what)
