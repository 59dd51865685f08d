"""Integers of eight bits made of the range of an image, or of each of its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import clear
from pellucid.engines.compiled.kernels.layout import ImageLayout

Form = Literal["symmetric", "asymmetric", "uint8"]
#: the smallest and the largest integer
_ENDS = {
    "symmetric": (-127.0, 127.0),
    "asymmetric": (-128.0, 127.0),
    "uint8": (0.0, 255.0),
}


@dataclass(frozen=True, slots=True)
class Ranges:
    """How x and its integers lie, and which range there is.

    ``is_per_pixel`` takes that of each pixel's channels, for an image of one row.
    """

    x: ImageLayout
    q: ImageLayout
    form: Form
    is_per_pixel: bool


@kernel(x="f32*", q="f32*", steps="f32*")
def quantize_by_range(
    b: Builder, x: Pointer, q: Pointer, steps: Pointer, *, spec: Ranges
) -> None:
    """q = the integers from their zero point on, with zeros around; steps = scales."""
    clear(b, q, spec.q.size)
    if not spec.is_per_pixel:
        _quantize(b, x, q, steps, spec, (spec.x.height, spec.x.width))
        return
    with b.loop(spec.x.width) as j:
        at, to = j * spec.x.padded_channels, j * spec.q.padded_channels
        _quantize(b, x + at, q + to, steps + j, spec, (1, 1))


def _quantize(
    b: Builder,
    x: Pointer,
    q: Pointer,
    step: Pointer,
    spec: Ranges,
    size: tuple[int, int],
) -> None:
    """Quantize so many rows and columns together."""

    def each(body: Callable[[Value, Value], None]) -> None:
        with b.loop(size[0]) as i, b.loop(size[1]) as j, b.loop(spec.x.channels) as c:
            at = i * spec.x.row + j * spec.x.padded_channels + spec.x.at(0, 0)
            to = i * spec.q.row + j * spec.q.padded_channels + spec.q.at(0, 0)
            body(x.load(at + c), to + c)

    low, high = b.var(0.0), b.var(0.0)

    def widen(value: Value, place: Value) -> None:
        low.set(b.smaller(value, low.get()))
        high.set(b.larger(value, high.get()))

    each(widen)
    scale, inverse, point = _FORMS[spec.form](b, low.get(), high.get())
    step.store(scale)
    least, most = _ENDS[spec.form]

    def write(value: Value, place: Value) -> None:
        if spec.form == "uint8":
            rounded = b.call_intrinsic("llvm.roundeven", value / scale) + point
        else:
            steps = b.product(value, inverse)
            steps = steps + point if spec.form == "asymmetric" else steps
            rounded = b.rounded(steps)
        kept = b.smaller(b.larger(rounded, least), most)
        q.store(kept if spec.form == "symmetric" else kept - point, place)

    each(write)


def _symmetric(b: Builder, low: Value, high: Value) -> tuple[Value, Value, Value]:
    """Return step, its inverse, and the zero point, which is 0."""
    most = b.larger(high, -low)
    most = b.select(most > 0.0, most, b.f32(127.0))
    return most / 127.0, b.f32(127.0) / most, b.f32(0.0)


def _asymmetric(b: Builder, low: Value, high: Value) -> tuple[Value, Value, Value]:
    """Return step, inverse and zero point, which rounding moves least."""
    wide = b.f64(high - low)
    is_wide = high > low
    scale = b.select(is_wide, wide / 255.0, b.like(1.0, wide))
    below, above = b.f64(low) / scale, b.f64(high) / scale
    is_lower = (b.absolute(below) + 128.0) < (b.absolute(above) + 127.0)
    point = b.select(
        is_lower, b.like(-128.0, wide) - below, b.like(127.0, wide) - above
    )
    point = b.rounded(point)
    point = b.smaller(b.larger(point, -128.0), 127.0)
    point = b.select(is_wide, point, b.like(0.0, point))
    step = b.narrow(scale)
    inverse = b.narrow(b.like(1.0, wide) / b.f64(step))
    return step, inverse, b.narrow(point)


def _uint8(b: Builder, low: Value, high: Value) -> tuple[Value, Value, Value]:
    """Return step, its inverse (which is not used), and the zero point."""
    step = (high - low) / 255.0
    step = b.select(step > 0.0, step, b.f32(1.0))
    point = b.call_intrinsic("llvm.roundeven", -low / step)
    return step, step, b.smaller(b.larger(point, 0.0), 255.0)


_FORMS = {"symmetric": _symmetric, "asymmetric": _asymmetric, "uint8": _uint8}
