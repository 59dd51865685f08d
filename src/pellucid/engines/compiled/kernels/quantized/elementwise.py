"""Integer layers that work element by element."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
)
from pellucid.engines.compiled.kernels.elementwise.arithmetic import (
    Pairwise,
    load_operand,
    over_axes,
)
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    pixels,
    sweep,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.codes import (
    Codes,
    clear_padding,
    load_codes,
    store_codes,
)
from pellucid.engines.compiled.kernels.quantized.scaling import clip, multiply


@dataclass(frozen=True, slots=True)
class Steps:
    """How x and y lie; the step, where halves go, and the ends of y."""

    x: ImageLayout
    y: Codes
    scale: float
    is_even: bool
    low: int
    high: int


@kernel(x="f32*", y="i8*")
def quantize(b: Builder, x: Pointer, y: Pointer, *, spec: Steps) -> None:
    """y = clip(round(x / scale)), as codes."""
    how = "llvm.roundeven" if spec.is_even else "llvm.round"

    def body(lanes: int, at: list[Pointer]) -> None:
        steps = at[0].vector(lanes=lanes) / b.splat(spec.scale, lanes)
        rounded = b.call_intrinsic(how, steps)
        kept = b.smaller(b.larger(rounded, float(spec.low)), float(spec.high))
        store_codes(b, at[1], b.to_int(kept), spec.y.zero)

    sweep(b, [(x, spec.x), (y, spec.y.map)], body)


@dataclass(frozen=True, slots=True)
class Scaled:
    """How codes x and floats y lie, and the step."""

    x: Codes
    y: ImageLayout
    scale: float


@kernel(x="i8*", y="f32*")
def dequantize(b: Builder, x: Pointer, y: Pointer, *, spec: Scaled) -> None:
    """y = scale · x; what channels that only pad hold is not defined in x."""

    def body(lanes: int, at: list[Pointer]) -> None:
        whole = load_codes(b, at[0], spec.x.zero, lanes)
        at[1].store(b.to_float(whole) * spec.scale)

    sweep(b, [(x, spec.x.map), (y, spec.y)], body)
    clear_padding(b, y, spec.y)


@dataclass(frozen=True, slots=True)
class Lookup:
    """How x and y lie; ``first`` is x's smallest integer, from its zero point.

    ``is_per_channel`` where each channel has a table.
    """

    x: ImageLayout
    y: ImageLayout
    first: int
    is_per_channel: bool
    low: int
    high: int


@kernel(x="f32*", table="f32*", y="f32*")
def look_up(
    b: Builder, x: Pointer, table: Pointer, y: Pointer, *, spec: Lookup
) -> None:
    """y = clip(table[x])."""

    def pixel(at: list[Pointer]) -> None:
        with b.loop(spec.x.channels) as c:
            index = b.i64(b.to_int(at[0].load(c))) - spec.first
            value = table.load(c * 256 + index if spec.is_per_channel else index)
            kept = b.smaller(b.larger(value, float(spec.low)), float(spec.high))
            at[1].store(kept, c)

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@dataclass(frozen=True, slots=True)
class Combined:
    """Two operands: ``operation`` of the pair says how, ``scales`` are fixed-point.

    Of sums they are those of both operands and of the sum, each (multiplier, shift);
    of products that of the product.
    """

    pair: Pairwise
    scales: tuple[tuple[int, int], ...]
    shift: int
    low: int
    high: int


@kernel(x="f32*", other="f32*", y="f32*")
def combine_fixed(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: Combined
) -> None:
    """y = clip(x ∘ other), each brought to one scale first; products afterwards."""

    def scaled(value: Value, which: int) -> Value:
        m, shift = (b.like(n, value) for n in spec.scales[which])
        return multiply(b, value, m, shift, rounding="twice")

    def combine(p: Value, q: Value) -> Value:
        if spec.pair.operation == "multiply":
            return clip(b, scaled(p * q, 0), spec.low, spec.high)
        p, q = (scaled(v << spec.shift, n) for n, v in enumerate((p, q)))
        total = p - q if spec.pair.operation == "subtract" else p + q
        return clip(b, scaled(total, 2), spec.low, spec.high)

    _pairwise(b, (x, other, y), spec.pair, combine, to="i64")


@dataclass(frozen=True, slots=True)
class CombinedReal:
    """Two operands with their scales divided by the output's, as doubles."""

    pair: Pairwise
    scales: tuple[float, float]
    low: int
    high: int


@kernel(x="f32*", other="f32*", y="f32*")
def combine_real(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: CombinedReal
) -> None:
    """y = clip(round(s₁ · x ∘ s₂ · other)), halves to the even integer."""
    operation = spec.pair.operation

    def combine(p: Value, q: Value) -> Value:
        first, second = (b.like(s, p) for s in spec.scales)
        if operation == "multiply":
            value = (p * q) * first
        else:
            second = -second if operation == "subtract" else second
            value = p * first + q * second
        whole = b.to_long(b.call_intrinsic("llvm.roundeven", value))
        return clip(b, whole, spec.low, spec.high)

    _pairwise(b, (x, other, y), spec.pair, combine, to="f64")


def _pairwise(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    spec: Pairwise,
    combine: Callable[[Value, Value], Value],
    *,
    to: Literal["i64", "f64"],
) -> None:
    cuts = channel_spans(b, spec.shape[-1])

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            p, q = (
                load_operand(at[i], view, spec, start, lanes)
                for i, view in enumerate((spec.x, spec.other))
            )
            wide = [b.to_long(v) if to == "i64" else b.f64(v) for v in (p, q)]
            value = combine(*wide)
            at[2].store(held(b, mask, value), start)

        each_span(b, cuts, span)

    views = (spec.x, spec.other, spec.y)
    starts = [(p + v.start, v) for p, v in zip(places, views, strict=True)]
    over_axes(b, range(len(spec.shape) - 1), spec, starts, pixel)
