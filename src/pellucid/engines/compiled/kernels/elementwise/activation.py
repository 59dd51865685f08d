"""Activations: forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise import functions
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    pixels,
    sweep,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class Function:
    """One activation: relu, leaky_relu (with its slope), sigmoid, tanh, gelu, silu."""

    kind: str
    slope: float = 0.0


def apply(b: Builder, function: Function | None, x: Value) -> Value:
    """Return f(x)."""
    if function is None:
        return x
    match function.kind:
        case "relu":
            return b.relu(x)
        case "leaky_relu":
            return b.select(x > 0.0, x, x * function.slope)
        case "sigmoid":
            return functions.sigmoid(b, x)
        case "tanh":
            return functions.tanh(b, x)
        case "gelu":
            return x * functions.normal_cdf(b, x)
        case _:
            return x * functions.sigmoid(b, x)


#: what the derivative is computed from: f's output, or its input
FROM_OUTPUT = ("relu", "sigmoid", "tanh")


def derivative(b: Builder, function: Function, seen: Value) -> Value:
    """Return f′, from f's output for `FROM_OUTPUT`, else from its input."""
    match function.kind:
        case "relu":
            return b.select(seen > 0.0, 1.0, b.zeros(seen.type.count))
        case "leaky_relu":
            return b.select(seen > 0.0, b.like(1.0, seen), function.slope)
        case "sigmoid":
            return seen * (1.0 - seen)
        case "tanh":
            return 1.0 - seen * seen
        case "gelu":
            return functions.normal_cdf(b, seen) + seen * functions.normal_pdf(b, seen)
        case _:
            s = functions.sigmoid(b, seen)
            return s * (1.0 + seen * (1.0 - s))


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
    if spec.function.kind == "sigmoid" and spec.x.padded_channels != spec.x.channels:
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
