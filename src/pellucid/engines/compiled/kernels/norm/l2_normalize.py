"""L2 normalization of the channels of each pixel: both passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    Cuts,
    channel_spans,
    each_span,
    pixels,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class L2:
    """How x and y (or grad_y and grad_x) lie."""

    x: ImageLayout
    y: ImageLayout
    epsilon: float
    grad_x: ImageLayout | None = None
    accumulate: bool = False


def _sum(b: Builder, cuts: Cuts, term: Callable[[Number, int], Value]) -> Value:
    """Return the sum of a term over the channels; the padding holds zeros."""
    total = b.var(b.zeros(cuts[0][1]))
    each_span(b, cuts, lambda start, lanes, _: total.add(term(start, lanes)))
    return b.total(total.get())


def _length(b: Builder, cuts: Cuts, x: Pointer) -> Value:
    def square(start: Number, lanes: int) -> Value:
        value = x.vector(start, lanes=lanes)
        return value * value

    return b.sqrt(_sum(b, cuts, square))


@kernel(x="f32*", y="f32*")
def l2_normalize_forward(b: Builder, x: Pointer, y: Pointer, *, spec: L2) -> None:
    """y = x / max(‖x‖, ε) over the last axis."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        inverse = 1.0 / b.maximum(_length(b, cuts, at[0]), spec.epsilon)

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            del mask
            at[1].store(at[0].vector(start, lanes=lanes) * inverse, start)

        each_span(b, cuts, span)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@kernel(x="f32*", grad_y="f32*", grad_x="f32*")
def l2_normalize_backward(
    b: Builder, x: Pointer, grad_y: Pointer, grad_x: Pointer, *, spec: L2
) -> None:
    """grad_x = or += (g − y · Σ g·y) / n; where n is ε, g / ε."""
    cuts = channel_spans(b, spec.x.channels)

    def pixel(at: list[Pointer]) -> None:
        length = _length(b, cuts, at[0])
        inverse = 1.0 / b.maximum(length, spec.epsilon)

        def product(start: Number, lanes: int) -> Value:
            unit = at[0].vector(start, lanes=lanes) * inverse
            return at[1].vector(start, lanes=lanes) * unit

        along = b.select(length > spec.epsilon, _sum(b, cuts, product), 0.0)

        def span(start: Number, lanes: int, mask: Value | None) -> None:
            del mask
            unit = at[0].vector(start, lanes=lanes) * inverse
            found = (at[1].vector(start, lanes=lanes) - unit * along) * inverse
            if spec.accumulate:
                found = found + at[2].vector(start, lanes=lanes)
            at[2].store(found, start)

        each_span(b, cuts, span)

    to = spec.grad_x or spec.x
    pixels(b, [(x, spec.x), (grad_y, spec.y), (grad_x, to)], pixel)
