"""Arithmetic of two images, one of which may be stretched: both passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    channel_spans,
    each_span,
    held,
    sweep,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout

Operation = Literal["add", "subtract", "multiply", "maximum"]


@dataclass(frozen=True, slots=True)
class View:
    """How an operand is read while one goes over the output.

    ``start`` is its first element, ``steps`` how far the next element of each leading
    axis is: 0 where one element stands for all. With one channel for many, that
    element is spread over the vector.
    """

    start: int
    steps: tuple[int, ...]
    channels: int


def view(m: ImageLayout, own: tuple[int, ...], shape: tuple[int, ...]) -> View:
    """Return the view of a value of shape ``own`` stretched to ``shape``."""
    if len(own) > 3:  # its leading axes lie in one row, without a halo
        strides = [
            m.padded_channels * prod(own[i + 1 : -1]) for i in range(len(own) - 1)
        ]
    else:
        strides = [m.row, m.padded_channels][3 - len(own) :]
    missing = len(shape) - len(own)
    steps = [
        stride if n == k else 0
        for stride, n, k in zip(strides, own[:-1], shape[missing:-1], strict=True)
    ]
    return View(m.at(0, 0), (*(0,) * missing, *steps), own[-1])


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Two operands and the output, or the derivative by it; ``shape`` is theirs."""

    operation: Operation
    shape: tuple[int, ...]
    x: View
    other: View
    y: View


def combine(b: Builder, operation: Operation, x: Value, other: Value) -> Value:
    """Return x ∘ other."""
    match operation:
        case "add":
            return x + other
        case "subtract":
            return x - other
        case "multiply":
            return x * other
        case _:
            return b.maximum(x, other)


@dataclass(frozen=True, slots=True)
class Same:
    """Two operands and the output (or grad_y), all of one shape."""

    operation: Operation
    x: ImageLayout
    other: ImageLayout
    y: ImageLayout


@kernel(x="f32*", other="f32*", y="f32*")
def same_forward(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: Same
) -> None:
    """y = x ∘ other; of zeros, which pad the channels, it is 0."""

    def body(lanes: int, at: list[Pointer]) -> None:
        p, q = at[0].vector(lanes=lanes), at[1].vector(lanes=lanes)
        at[2].store(combine(b, spec.operation, p, q))

    sweep(b, [(x, spec.x), (other, spec.other), (y, spec.y)], body)


@dataclass(frozen=True, slots=True)
class SameGrad:
    """The derivative by the first operand or the second; ``pair.y`` is grad_y's."""

    pair: Same
    grad: ImageLayout
    is_first: bool
    accumulate: bool


@kernel(x="f32*", other="f32*", grad_y="f32*", grad="f32*")
def same_backward(
    b: Builder,
    x: Pointer,
    other: Pointer,
    grad_y: Pointer,
    grad: Pointer,
    *,
    spec: SameGrad,
) -> None:
    """grad = or += grad_y · ∂y/∂operand."""
    pair = spec.pair

    def body(lanes: int, at: list[Pointer]) -> None:
        p, q, given = (place.vector(lanes=lanes) for place in at[:3])
        share = _share(b, pair.operation, (p, q, given), is_first=spec.is_first)
        before = at[3].vector(lanes=lanes) if spec.accumulate else None
        at[3].store(share if before is None else before + share)

    places = [(x, pair.x), (other, pair.other), (grad_y, pair.y), (grad, spec.grad)]
    sweep(b, places, body)


def _is_kept(b: Builder, x: Value, other: Value) -> Value:
    """Return where the maximum is x: it is larger, equal, or NaN."""
    return (x >= other) | x.is_nan()


def _share(
    b: Builder,
    operation: Operation,
    values: tuple[Value, Value, Value],
    *,
    is_first: bool,
) -> Value:
    """Return the derivative by an operand, of x, other and grad_y."""
    x, other, grad = values
    match operation:
        case "add":
            return grad
        case "subtract":
            return grad if is_first else -grad
        case "multiply":
            return grad * (other if is_first else x)
        case _:
            kept, zero = _is_kept(b, x, other), b.like(0.0, grad)
            pair = (grad, zero) if is_first else (zero, grad)
            return b.select(kept, *pair)


def load_operand(
    place: Pointer, v: View, spec: Pairwise, at: Number, lanes: int
) -> Value:
    if v.channels == 1 and spec.shape[-1] > 1:
        return place.splat(0, lanes=lanes)
    return place.vector(at, lanes=lanes)


def over_axes(
    b: Builder,
    axes: Sequence[int],
    spec: Pairwise,
    places: Sequence[tuple[Pointer, View]],
    body: Callable[[list[Pointer]], None],
) -> None:
    """Call body(pointers) for every element of some leading axes."""
    if not axes:
        body([place for place, _ in places])
        return
    axis, *rest = axes
    with b.loop(spec.shape[axis]) as i:
        moved = [
            (place + i * v.steps[axis] if v.steps[axis] else place, v)
            for place, v in places
        ]
        over_axes(b, rest, spec, moved, body)


@kernel(x="f32*", other="f32*", y="f32*")
def pairwise_forward(
    b: Builder, x: Pointer, other: Pointer, y: Pointer, *, spec: Pairwise
) -> None:
    """y = x ∘ other; the padding channels stay zero."""
    cuts = channel_spans(b, spec.shape[-1])

    def pixel(at: list[Pointer]) -> None:
        def span(start: Number, lanes: int, mask: Value | None) -> None:
            p = load_operand(at[0], spec.x, spec, start, lanes)
            q = load_operand(at[1], spec.other, spec, start, lanes)
            value = combine(b, spec.operation, p, q)
            at[2].store(held(b, mask, value), start)

        each_span(b, cuts, span)

    places = [
        (x + spec.x.start, spec.x),
        (other + spec.other.start, spec.other),
        (y + spec.y.start, spec.y),
    ]
    over_axes(b, range(len(spec.shape) - 1), spec, places, pixel)


@dataclass(frozen=True, slots=True)
class PairwiseGrad:
    """The derivative by the first operand or the second; ``pair.y`` is grad_y's."""

    pair: Pairwise
    grad: View
    is_first: bool
    accumulate: bool


@kernel(x="f32*", other="f32*", grad_y="f32*", grad="f32*")
def pairwise_backward(
    b: Builder,
    x: Pointer,
    other: Pointer,
    grad_y: Pointer,
    grad: Pointer,
    *,
    spec: PairwiseGrad,
) -> None:
    """grad = or += Σ grad_y · ∂y/∂operand over what the operand was stretched to.

    The stretched axes are the inner loops, each with a sum of its own, so that
    rounding does not grow with the image.
    """
    pair = spec.pair
    is_spread = spec.grad.channels == 1 and pair.shape[-1] > 1
    kept = [axis for axis, step in enumerate(spec.grad.steps) if step]
    summed = [
        axis
        for axis, step in enumerate(spec.grad.steps)
        if not step and pair.shape[axis] > 1
    ]
    cuts = channel_spans(b, pair.shape[-1])
    views = (pair.x, pair.other, pair.y, spec.grad)
    starts = (x, other, grad_y, grad)
    places = [(place + v.start, v) for place, v in zip(starts, views, strict=True)]

    def share(at: list[Pointer], start: Number, lanes: int) -> Value:
        p = load_operand(at[0], pair.x, pair, start, lanes)
        q = load_operand(at[1], pair.other, pair, start, lanes)
        grad = at[2].vector(start, lanes=lanes)
        return _share(b, pair.operation, (p, q, grad), is_first=spec.is_first)

    def total(
        at: list[Pointer],
        axes: Sequence[int],
        span: tuple[Number, int, Value | None],
    ) -> Value:
        """Return the sum over some axes for one vector of channels."""
        start, lanes, mask = span
        if not axes:
            return held(b, mask, share(at, start, lanes))
        part = b.var(b.zeros(lanes))
        here = [(place, v) for place, v in zip(at, views, strict=True)]
        over_axes(
            b, axes[:1], pair, here, lambda to: part.add(total(to, axes[1:], span))
        )
        return part.get()

    def write(to: Pointer, value: Value, start: Number, lanes: int) -> None:
        before = to.vector(start, lanes=lanes) if spec.accumulate else None
        to.store(value if before is None else before + value, start)

    def element(at: list[Pointer]) -> None:
        if not is_spread:
            each_span(
                b,
                cuts,
                lambda *span: write(at[3], total(at, summed, span), span[0], span[1]),
            )
            return
        whole = b.var(b.zeros(cuts[0][1]))
        each_span(b, cuts, lambda *span: whole.add(total(at, summed, span)))
        value = b.total(whole.get())
        at[3].store(at[3].load() + value if spec.accumulate else value)

    over_axes(b, kept, pair, places, element)
