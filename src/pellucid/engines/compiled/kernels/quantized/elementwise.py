"""Integer layers that work element by element, on codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    pixels,
    spans,
    sweep,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.code_scaling import (
    FixedPoint,
    round_away,
    round_even,
    scale,
)
from pellucid.engines.compiled.kernels.quantized.codes import (
    Codes,
    clear_padding,
    load_codes,
    store_codes,
)


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
    to_whole = round_even if spec.is_even else round_away
    m, out = spec.x, spec.y.map

    def body(floats: Value, to: Pointer) -> None:
        steps = floats / b.splat(spec.scale, floats.type.count)
        whole = to_whole(b, steps, spec.low, spec.high)
        store_codes(b, to, whole, spec.y.zero)

    def vector(lanes: int, at: list[Pointer]) -> None:
        body(at[0].vector(lanes=lanes), at[1])

    if m.padded_channels == out.padded_channels:
        sweep(b, [(x, m), (y, out)], vector)
    else:
        _pad_pixels(b, (x, m), (y, out), body)


_Place = tuple[Pointer, ImageLayout]
_Body = Callable[[Value, Pointer], None]


def _pad_pixels(b: Builder, x: _Place, y: _Place, body: _Body) -> None:
    """Call body(floats, place of their codes) where y's pixels have channels more.

    Several pixels make a vector where that does not read beyond the last one.
    """
    m, out = x[1], y[1]
    many = b.lanes // out.padded_channels
    groups = whole = m.width // many if many > 1 else 0
    while whole and (whole - 1) * many * m.channels + b.lanes > m.width * m.channels:
        whole -= 1
    order = [i // out.padded_channels * m.channels for i in range(b.lanes)]
    order = [n + i % out.padded_channels for i, n in enumerate(order)]
    order = [n if n < b.lanes else 0 for n in order]
    for count, first, vectors in ((m.height - 1, 0, groups), (1, m.height - 1, whole)):
        with b.loop(count) as n:
            i = n + first
            row, to = (
                x[0] + (i * m.row + m.at(0, 0)),
                y[0] + (i * out.row + out.at(0, 0)),
            )
            with b.loop(vectors) as k:
                floats = (row + k * (many * m.channels)).vector()
                body(b.shuffle(floats, floats, order), to + k * b.lanes)
            with b.loop(m.width, start=vectors * many) as j:
                for start, lanes, times in spans(m.channels, b.lanes):
                    with b.loop(times) as k:
                        at = k * lanes + start
                        floats = (row + j * m.padded_channels).vector(at, lanes=lanes)
                        body(floats, to + (j * out.padded_channels + at))


@dataclass(frozen=True, slots=True)
class Scaled:
    """How codes x and floats y lie, and the step."""

    x: Codes
    y: ImageLayout
    scale: float


@kernel(x="i8*", y="f32*")
def dequantize(b: Builder, x: Pointer, y: Pointer, *, spec: Scaled) -> None:
    """y = scale · x."""

    def body(lanes: int, at: list[Pointer]) -> None:
        whole = load_codes(b, at[0], spec.x.zero, lanes)
        at[1].store(b.to_float(whole) * spec.scale)

    sweep(b, [(x, spec.x.map), (y, spec.y)], body)
    clear_padding(b, y, spec.y)


@dataclass(frozen=True, slots=True)
class Lookup:
    """How x and y lie; ``is_per_channel`` where each channel has a table of codes."""

    x: ImageLayout
    y: ImageLayout
    is_per_channel: bool


@kernel(x="i8*", table="f32*", y="i8*")
def look_up(
    b: Builder, x: Pointer, table: Pointer, y: Pointer, *, spec: Lookup
) -> None:
    """y = table[x]."""
    codes = table.cast("i8")

    def pixel(at: list[Pointer]) -> None:
        with b.loop(spec.x.channels) as c:
            index = b.resize(at[0].load(c), "i64")
            at[1].store(
                codes.load(c * 256 + index if spec.is_per_channel else index), c
            )

    pixels(b, [(x, spec.x), (y, spec.y)], pixel)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two operands: ``operation`` of the pair says how; the codes of 0; the ends of y.

    ``scales`` of sums are those of both operands and of the sum, of products that of
    the product. Real ones are those of the operands, of products the first.
    """

    pair: Pairwise
    zeros: tuple[int, int, int]
    scales: tuple[FixedPoint, ...] | tuple[float, ...]
    low: int
    high: int


#: by how many bits addends are shifted left, to lose nothing
ADD_BITS = 20


@kernel(x="i8*", other="i8*", y="i8*")
def combine_fixed(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: Pair
) -> None:
    """y = clip(x ∘ other), each brought to one scale first; products afterwards."""
    factors = [factor for factor in spec.scales if isinstance(factor, FixedPoint)]

    def combine(p: Value, q: Value) -> Value:
        if spec.pair.operation == "multiply":
            whole = scale(b, p * q, factors[0])
        else:
            p, q = (scale(b, v << ADD_BITS, factors[n]) for n, v in enumerate((p, q)))
            total = p - q if spec.pair.operation == "subtract" else p + q
            whole = scale(b, total, factors[2])
        return b.smaller(b.larger(whole, spec.low), spec.high)

    _pairwise(b, (x, other, y), spec, combine)


@kernel(x="i8*", other="i8*", y="i8*")
def combine_real(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: Pair
) -> None:
    """y = clip(round(s₁ · x ∘ s₂ · other)), halves to the even integer."""
    scales = [float(s) for s in spec.scales if not isinstance(s, FixedPoint)]

    def combine(p: Value, q: Value) -> Value:
        p, q = b.to_double(p), b.to_double(q)
        first, second = (b.like(s, p) for s in scales)
        if spec.pair.operation == "multiply":
            value = (p * q) * first
        else:
            second = -second if spec.pair.operation == "subtract" else second
            value = b.product(p, first) + b.product(q, second)
        return round_even(b, value, spec.low, spec.high)

    _pairwise(b, (x, other, y), spec, combine)


def _pairwise(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    spec: Pair,
    combine: Callable[[Value, Value], Value],
) -> None:
    pair = spec.pair
    cuts = channel_spans(b, pair.shape[-1])

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            p, q = (
                b.resize(load_operand(at[i], view, pair, start, lanes), "i32")
                - spec.zeros[i]
                for i, view in enumerate((pair.x, pair.other))
            )
            store_codes(b, at[2] + start, combine(p, q), spec.zeros[2])

        each_span(b, cuts, span)

    views = (pair.x, pair.other, pair.y)
    starts = [(p + v.start, v) for p, v in zip(places, views, strict=True)]
    over_axes(b, range(len(pair.shape) - 1), pair, starts, pixel)
