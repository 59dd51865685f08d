"""Activations: forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    pixels,
    sweep,
)
from pellucid.engines.compiled.kernels.elementwise.expressions import emit
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part
from pellucid.network.expression import Expression
from pellucid.network.expression.evaluate import compute, compute_number


@dataclass(frozen=True, slots=True)
class Function:
    """A function of each element and its derivative.

    Parameters
    ----------
    kind : str
        The layer's stem, for plans.
    expression : Expression
        f, in the variable x.
    derivative : Expression
        f′, in x, or in f's output where that tells it.
    is_from_output : bool
        Whether the backward pass reads f's output instead of its input.
    """

    kind: str
    expression: Expression
    derivative: Expression
    is_from_output: bool

    @property
    def keeps_zero(self) -> bool:
        """Whether f(0) is 0, so that padding channels stay zero by themselves."""
        return compute_number(self.expression, 0.0) == 0

    @property
    def has_finite_slope(self) -> bool:
        """Whether f′ is finite in padding channels, where the input is 0."""
        at_zero = compute_number(self.expression, 0.0) if self.is_from_output else 0.0
        name = "y" if self.is_from_output else "x"
        return bool(np.isfinite(compute(self.derivative, **{name: at_zero})))


def apply(b: Builder, function: Function | None, x: Value) -> Value:
    """Return f(x)."""
    return x if function is None else emit(b, function.expression, x)


def derivative(b: Builder, function: Function, seen: Value) -> Value:
    """Return f′, from f's output where ``is_from_output``, else from its input."""
    return emit(b, function.derivative, seen)


@dataclass(frozen=True, slots=True)
class Elementwise:
    """f applied to an image; ``x`` and ``y`` differ at most in their sides."""

    function: Function
    x: ImageLayout
    y: ImageLayout
    accumulate: bool = False


@kernel(x="f32*", y="f32*")
def activation_forward(
    b: Builder, x: Pointer, y: Pointer, *, spec: Elementwise, part: Part | None = None
) -> None:
    """y = f(x); the padding channels stay zero where f(0) is not. A part: some rows."""
    is_padded = spec.x.padded_channels != spec.x.channels
    if is_padded and not spec.function.keeps_zero:
        cuts = channel_spans(b, spec.x.channels)

        def pixel(at: list[Pointer]) -> None:
            def span(start: Number, lanes: int, mask: Value | None) -> None:
                value = apply(b, spec.function, at[0].vector(start, lanes=lanes))
                at[1].store(held(b, mask, value), start)

            each_span(b, cuts, span)

        pixels(b, [(x, spec.x), (y, spec.y)], pixel, part)
        return

    def body(lanes: int, at: list[Pointer]) -> None:
        at[1].store(apply(b, spec.function, at[0].vector(lanes=lanes)))

    sweep(b, [(x, spec.x), (y, spec.y)], body, part)


@kernel(seen="f32*", grad_y="f32*", grad_x="f32*")
def activation_backward(
    b: Builder, seen: Pointer, grad_y: Pointer, grad_x: Pointer, *, spec: Backward
) -> None:
    """grad_x = or += grad_y · f′; ``seen`` is f's output or input."""
    is_padded = spec.seen.padded_channels != spec.seen.channels
    if is_padded and not spec.function.has_finite_slope:
        cuts = channel_spans(b, spec.seen.channels)

        def pixel(at: list[Pointer]) -> None:
            def span(start: Number, lanes: int, mask: Value | None) -> None:
                slope = derivative(b, spec.function, at[0].vector(start, lanes=lanes))
                grad = at[1].vector(start, lanes=lanes) * held(b, mask, slope)
                if spec.accumulate:
                    grad = at[2].vector(start, lanes=lanes) + grad
                at[2].store(grad, start)

            each_span(b, cuts, span)

        pixels(
            b, [(seen, spec.seen), (grad_y, spec.grad_y), (grad_x, spec.grad_x)], pixel
        )
        return

    def body(lanes: int, at: list[Pointer]) -> None:
        slope = derivative(b, spec.function, at[0].vector(lanes=lanes))
        grad = at[1].vector(lanes=lanes) * slope
        at[2].store(at[2].vector(lanes=lanes) + grad if spec.accumulate else grad)

    sweep(b, [(seen, spec.seen), (grad_y, spec.grad_y), (grad_x, spec.grad_x)], body)


@dataclass(frozen=True, slots=True)
class Backward:
    """f's derivative over images of one size."""

    function: Function
    seen: ImageLayout
    grad_y: ImageLayout
    grad_x: ImageLayout
    accumulate: bool = False
