"""Group normalization: statistics, forward and backward pass of one image.

Groups of channels may begin anywhere in a vector. So sums are made per channel first,
in vectors, and those of a group then added up one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    pixels,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """How x and y (or grad_y and grad_x) lie, and the groups of channels.

    ``statistics`` are two vectors of stored channels: the group's mean and 1 / σ, for
    each of its channels.
    """

    x: ImageLayout
    y: ImageLayout
    groups: int
    epsilon: float
    grad_x: ImageLayout | None = None
    accumulate: bool = False

    @property
    def count(self) -> float:
        """Elements of a group."""
        return float(self.x.height * self.x.width * self.x.channels // self.groups)


def _sum_channels(
    b: Builder,
    spec: GroupNorm,
    places: list[tuple[Pointer, ImageLayout]],
    to: Pointer,
    term: Callable[[list[Pointer], Number, int], Value],
) -> None:
    """Write to[c] = Σ over the image of a term; each row has a sum of its own."""

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        total = b.var(b.zeros(lanes))
        with b.loop(spec.x.height) as i:
            row = b.var(b.zeros(lanes))
            with b.loop(spec.x.width) as j:
                at = [
                    p + (i * m.row + j * m.padded_channels + m.at(0, 0))
                    for p, m in places
                ]
                row.add(term(at, start, lanes))
            total.add(row.get())
        to.store(held(b, mask, total.get()), start)

    each_span(b, channel_spans(b, spec.x.channels), span)


def _join_groups(
    b: Builder, spec: GroupNorm, sums: Pointer, result: Callable[[Value], Value]
) -> None:
    """Replace each channel's sum by a function of its group's mean."""
    size = spec.x.channels // spec.groups
    with b.loop(spec.groups) as g:
        total = b.var(b.f32(0.0))
        with b.loop(size) as k:
            total.add(sums.load(g * size + k))
        value = result(total.get() / spec.count)
        with b.loop(size) as k:
            sums.store(value, g * size + k)


@kernel(x="f32*", statistics="f32*")
def group_norm_statistics(
    b: Builder, x: Pointer, statistics: Pointer, *, spec: GroupNorm
) -> None:
    """Write each channel's mean and 1 / σ, those of its group."""
    mean, inverse = statistics, statistics + spec.x.padded_channels

    def value(at: list[Pointer], start: Number, lanes: int) -> Value:
        return at[0].vector(start, lanes=lanes)

    def square(at: list[Pointer], start: Number, lanes: int) -> Value:
        centered = at[0].vector(start, lanes=lanes) - mean.vector(start, lanes=lanes)
        return centered * centered

    places = [(x, spec.x)]
    _sum_channels(b, spec, places, mean, value)
    _join_groups(b, spec, mean, lambda m: m)
    _sum_channels(b, spec, places, inverse, square)
    _join_groups(b, spec, inverse, lambda m: 1.0 / b.sqrt(m + spec.epsilon))


def _hat(
    spec: GroupNorm, x: Pointer, statistics: Pointer, start: Number, lanes: int
) -> Value:
    mean, inverse = statistics, statistics + spec.x.padded_channels
    centered = x.vector(start, lanes=lanes) - mean.vector(start, lanes=lanes)
    return centered * inverse.vector(start, lanes=lanes)


@kernel(x="f32*", statistics="f32*", scale="f32*", offset="f32*", y="f32*")
def group_norm_forward(
    b: Builder,
    x: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    y: Pointer,
    *,
    spec: GroupNorm,
) -> None:
    """y = (x − mean) / σ · scale + offset."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            hat = _hat(spec, at[0], statistics, start, lanes)
            shift = offset.vector(start, lanes=lanes)
            value = b.fma(hat, scale.vector(start, lanes=lanes), shift)
            at[1].store(held(b, mask, value), start)

        each_span(b, cuts, span)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@kernel(
    x="f32*", grad_y="f32*", statistics="f32*", grad_scale="f32*", grad_offset="f32*"
)
def group_norm_grad_weight(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    statistics: Pointer,
    grad_scale: Pointer,
    grad_offset: Pointer,
    *,
    spec: GroupNorm,
) -> None:
    """grad_scale += Σ grad_y · x̂; grad_offset += Σ grad_y."""

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        with b.loop(spec.x.height) as i:
            sums = [b.var(b.zeros(lanes)) for _ in range(2)]
            with b.loop(spec.x.width) as j:
                px, pg = (
                    p + (i * m.row + j * m.padded_channels + m.at(0, 0))
                    for p, m in ((x, spec.x), (grad_y, spec.y))
                )
                grad = pg.vector(start, lanes=lanes)
                sums[0].add(grad * _hat(spec, px, statistics, start, lanes))
                sums[1].add(grad)
            for place, total in zip((grad_scale, grad_offset), sums, strict=True):
                before = place.vector(start, lanes=lanes)
                place.store(before + held(b, mask, total.get()), start)

    each_span(b, channel_spans(b, spec.x.channels), span)


@kernel(
    x="f32*",
    grad_y="f32*",
    statistics="f32*",
    scale="f32*",
    sums="f32*",
    grad_x="f32*",
)
def group_norm_grad_input(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    statistics: Pointer,
    scale: Pointer,
    sums: Pointer,
    grad_x: Pointer,
    *,
    spec: GroupNorm,
) -> None:
    """grad_x = or += (g − mean g − x̂ · mean (g · x̂)) / σ with g = grad_y · scale.

    ``sums`` has room for two vectors of stored channels.
    """
    means, alongs = sums, sums + spec.x.padded_channels
    inverse = statistics + spec.x.padded_channels
    places = [(x, spec.x), (grad_y, spec.y)]

    def g_of(at: list[Pointer], start: Number, lanes: int) -> Value:
        return at[1].vector(start, lanes=lanes) * scale.vector(start, lanes=lanes)

    def product(at: list[Pointer], start: Number, lanes: int) -> Value:
        return g_of(at, start, lanes) * _hat(spec, at[0], statistics, start, lanes)

    for to, term in ((means, g_of), (alongs, product)):
        _sum_channels(b, spec, places, to, term)
        _join_groups(b, spec, to, lambda m: m)
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            hat = _hat(spec, at[0], statistics, start, lanes)
            mean, along = (s.vector(start, lanes=lanes) for s in (means, alongs))
            found = g_of(at, start, lanes) - mean - hat * along
            found = held(b, mask, found * inverse.vector(start, lanes=lanes))
            if spec.accumulate:
                found = found + at[2].vector(start, lanes=lanes)
            at[2].store(found, start)

        each_span(b, cuts, span)

    pixels(b, [*places, (grad_x, spec.grad_x or spec.x)], pixel)
