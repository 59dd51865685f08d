"""Softmax and its logarithm over the last axis: forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise import functions
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
class Softmax:
    """How the images lie: x and y forward; y, grad_y and grad_x backward."""

    x: ImageLayout
    y: ImageLayout
    grad_x: ImageLayout | None = None
    accumulate: bool = False


def highest(b: Builder, x: Value) -> Value:
    """Return the largest lane."""
    while x.type.count > 1:
        n, h = x.type.count, x.type.count // 2
        low, high = (b.shuffle(x, x, list(r)) for r in (range(h), range(h, n)))
        x = b.maximum(low, high)
    return x[0]


def exponentials(
    b: Builder, at: Pointer, cuts: Cuts
) -> tuple[list[Value], list[Value], Value]:
    """Return x − max x and its exp for each vector of channels, and the exps' sum."""
    values = [
        held(b, mask, at.vector(start, lanes=lanes), float("-inf"))
        for start, lanes, mask in cuts
    ]
    top = values[0]
    for value in values[1:]:
        top = b.maximum(top, value)
    peak = highest(b, top)
    shifted = [v - peak for v in values]
    exps = [
        held(b, mask, functions.exp(b, v))
        for v, (_, _, mask) in zip(shifted, cuts, strict=True)
    ]
    total = exps[0]
    for e in exps[1:]:
        total = total + e
    return shifted, exps, b.total(total)


def peak_of(b: Builder, at: Pointer, cuts: Cuts) -> Value:
    """Return the largest of many channels, one vector after the other."""
    top = b.var(b.splat(float("-inf"), cuts[0][1]))

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        value = held(b, mask, at.vector(start, lanes=lanes), float("-inf"))
        top.set(b.maximum(top.get(), value))

    each_span(b, cuts, span)
    return highest(b, top.get())


def write_exponentials(
    b: Builder, at: Pointer, to: Pointer, peak: Value, cuts: Cuts
) -> Value:
    """Write exp(x − peak) of many channels, 0 behind them, and return the sum."""
    total = b.var(b.zeros(cuts[0][1]))

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        shifted = at.vector(start, lanes=lanes) - peak
        e = held(b, mask, functions.exp(b, shifted))
        to.store(e, start)
        total.add(e)

    each_span(b, cuts, span)
    return b.total(total.get())


@kernel(x="f32*", y="f32*")
def softmax_forward(b: Builder, x: Pointer, y: Pointer, *, spec: Softmax) -> None:
    """y = exp(x − max x) / Σ exp(x − max x)."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        _, exps, total = exponentials(b, at[0], cuts)
        for e, (start, lanes, mask) in zip(exps, cuts, strict=True):
            at[1].store(held(b, mask, e / b.splat(total, lanes)), start)

    def long_pixel(at: list[Pointer]) -> None:
        peak = peak_of(b, at[0], cuts)
        total = write_exponentials(b, at[0], at[1], peak, cuts)

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            share = at[1].vector(start, lanes=lanes) / b.splat(total, lanes)
            at[1].store(held(b, mask, share), start)

        each_span(b, cuts, span)

    what = long_pixel if has_many(cuts) else pixel
    pixels(b, [(x, spec.x), (y, spec.y)], what)


@kernel(y="f32*", grad_y="f32*", grad_x="f32*")
def softmax_backward(
    b: Builder, y: Pointer, grad_y: Pointer, grad_x: Pointer, *, spec: Softmax
) -> None:
    """grad_x = or += y · (grad_y − Σ grad_y · y); spec.x is y's layout."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        pairs = [
            (at[0].vector(start, lanes=lanes), at[1].vector(start, lanes=lanes))
            for start, lanes, _ in cuts
        ]
        total = pairs[0][0] * pairs[0][1]
        for p, q in pairs[1:]:
            total = total + p * q
        along = b.total(total)
        for (p, q), (start, lanes, _) in zip(pairs, cuts, strict=True):
            grad = p * (q - along)
            if spec.accumulate:
                grad = grad + at[2].vector(start, lanes=lanes)
            at[2].store(grad, start)

    def long_pixel(at: list[Pointer]) -> None:
        total = b.var(b.zeros(cuts[0][1]))

        def product(start: Number, lanes: int, mask: Value | None) -> None:
            del mask  # the padding's products are 0
            p, q = (at[n].vector(start, lanes=lanes) for n in (0, 1))
            total.add(p * q)

        each_span(b, cuts, product)
        along = b.total(total.get())

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            del mask
            p, q = (at[n].vector(start, lanes=lanes) for n in (0, 1))
            grad = p * (q - along)
            if spec.accumulate:
                grad = grad + at[2].vector(start, lanes=lanes)
            at[2].store(grad, start)

        each_span(b, cuts, span)

    what = long_pixel if has_many(cuts) else pixel
    pixels(b, [(y, spec.x), (grad_y, spec.y), (grad_x, spec.grad_x or spec.x)], what)


@kernel(x="f32*", y="f32*")
def log_softmax_forward(b: Builder, x: Pointer, y: Pointer, *, spec: Softmax) -> None:
    """y = x − max x − ln Σ exp(x − max x)."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        peak = peak_of(b, at[0], cuts)
        total = write_exponentials(b, at[0], at[1], peak, cuts)
        lanes = cuts[0][1]
        away = peak + functions.log(b, b.splat(total, lanes))[0]

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            value = at[0].vector(start, lanes=lanes) - away
            at[1].store(held(b, mask, value), start)

        each_span(b, cuts, span)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@kernel(y="f32*", grad_y="f32*", grad_x="f32*")
def log_softmax_backward(
    b: Builder, y: Pointer, grad_y: Pointer, grad_x: Pointer, *, spec: Softmax
) -> None:
    """grad_x = or += grad_y − exp(y) · Σ grad_y; spec.x is y's layout."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        total = b.var(b.zeros(cuts[0][1]))

        def add(start: Number, lanes: int, mask: Value | None) -> None:
            total.add(held(b, mask, at[1].vector(start, lanes=lanes)))

        each_span(b, cuts, add)
        along = b.total(total.get())

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            p, q = (at[n].vector(start, lanes=lanes) for n in (0, 1))
            grad = held(b, mask, q - functions.exp(b, p) * along)
            if spec.accumulate:
                grad = grad + at[2].vector(start, lanes=lanes)
            at[2].store(grad, start)

        each_span(b, cuts, span)

    pixels(b, [(y, spec.x), (grad_y, spec.y), (grad_x, spec.grad_x or spec.x)], pixel)
