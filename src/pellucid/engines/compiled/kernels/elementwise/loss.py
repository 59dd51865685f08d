"""Losses and their gradients with respect to the output."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    Var,
    kernel,
)
from pellucid.engines.compiled.kernels.elementwise import functions
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import (
    Cuts,
    channel_spans,
    each_span,
    has_many,
    held,
    spans,
)
from pellucid.engines.compiled.kernels.elementwise.softmax import (
    exponentials,
    peak_of,
    write_exponentials,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout


@dataclass(frozen=True, slots=True)
class LossSpec:
    """A loss: how the output lies, and the loss's own number.

    ``kind``: "classes" and "soft" (cross entropy), "binary", "mse", "half".
    """

    kind: Literal["classes", "soft", "binary", "mse", "half"]
    z: ImageLayout
    grad: ImageLayout
    smoothing: float = 0.0

    @property
    def goes_by_rows(self) -> bool:
        """Whether vectors are positions of a row, there being one channel."""
        widths = {self.z.padded_channels, self.grad.padded_channels}
        return widths == {1} and self.z.width > 1


@kernel(z="f32*", labels="i64*", weight="f32*", loss="f32*", grad="f32*")
def class_loss(
    b: Builder,
    z: Pointer,
    labels: Pointer,
    weight: Pointer,
    loss: Pointer,
    grad: Pointer,
    *,
    spec: LossSpec,
) -> None:
    """loss = Σ −t · log softmax(z) over positions, t one-hot (smoothed)."""
    cuts, smooth = channel_spans(b, spec.z.channels), spec.smoothing

    def target(position: Value, start: Number, lanes: int) -> Value:
        label = b.resize(labels.load(position), "i32")
        first = b.resize(start, "i32") if isinstance(start, Value) else start
        t = b.select((b.iota(lanes) + first).equals(label), 1.0, b.zeros(lanes))
        return t * (1 - smooth) + smooth / spec.z.channels if smooth else t

    _cross_entropy(b, (z, weight, loss, grad), spec, cuts, target)


@kernel(z="f32*", labels="f32*", weight="f32*", loss="f32*", grad="f32*")
def soft_loss(
    b: Builder,
    z: Pointer,
    labels: Pointer,
    weight: Pointer,
    loss: Pointer,
    grad: Pointer,
    *,
    spec: LossSpec,
) -> None:
    """loss = Σ −t · log softmax(z), t probabilities that lie without padding."""
    cuts, smooth, classes = (
        channel_spans(b, spec.z.channels),
        spec.smoothing,
        spec.z.channels,
    )

    def target(position: Value, start: Number, lanes: int) -> Value:
        t = exact(b, labels + position * classes, start, lanes, classes)
        return t * (1 - smooth) + smooth / classes if smooth else t

    _cross_entropy(b, (z, weight, loss, grad), spec, cuts, target)


def exact(b: Builder, place: Pointer, start: Number, lanes: int, count: int) -> Value:
    """Return a vector without reading beyond ``count`` numbers.

    Where ``start`` is a value, all of its lanes lie within them.
    """
    if not isinstance(start, int) or start + lanes <= count:
        return place.vector(start, lanes=lanes)
    value = b.zeros(lanes)
    for lane in range(count - start):
        one = place.load(start + lane)
        index = b.const(lane, b.iota(1).type.element).v
        value = Value(b, b.ir.insert_element(value.v, one.v, index))
    return value


#: the targets of a vector of channels: of a position, first channel and lanes
Target = Callable[[Value, Number, int], Value]


def _cross_entropy(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    spec: LossSpec,
    cuts: Cuts,
    target: Target,
) -> None:
    z, weight, loss, grad = places
    total = b.var(b.f32(0.0))
    sums = weight.load(), total
    write = _write_many if has_many(cuts) else _write_few
    with b.loop(spec.z.height) as i, b.loop(spec.z.width) as j:
        position = i * spec.z.width + j
        at = z + (i * spec.z.row + j * spec.z.padded_channels + spec.z.at(0, 0))
        to = grad + (
            i * spec.grad.row + j * spec.grad.padded_channels + spec.grad.at(0, 0)
        )
        write(b, (at, to), sums, cuts, functools.partial(target, position))
    loss.store(total.get())


def _write_few(
    b: Builder,
    places: tuple[Pointer, Pointer],
    sums: tuple[Value, Var],
    cuts: Cuts,
    target: Callable[[Number, int], Value],
) -> None:
    """Write one position's gradient and add its loss, all vectors in registers."""
    (at, to), (w, total_loss) = places, sums
    shifted, exps, total = exponentials(b, at, cuts)
    logarithm = functions.log(b, b.splat(total, 1))[0]
    targets = [held(b, mask, target(start, lanes)) for start, lanes, mask in cuts]
    whole, cost = b.f32(0.0) * 1.0, b.f32(0.0) * 1.0
    for t, x in zip(targets, shifted, strict=True):
        whole = whole + b.total(t)
        cost = cost + b.total(_part(b, t, logarithm - x))
    total_loss.add(b.select(logarithm.is_nan(), logarithm, cost))
    for t, e, (start, lanes, mask) in zip(targets, exps, cuts, strict=True):
        share = e / b.splat(total, lanes) * whole - t
        to.store(held(b, mask, share * w), start)


def _part(b: Builder, t: Value, cost: Value) -> Value:
    """Return t · cost; where t is 0 it is 0, whatever the cost: infinity too."""
    return b.select(t.equals(0.0), 0.0, t * cost)


def _write_many(
    b: Builder,
    places: tuple[Pointer, Pointer],
    sums: tuple[Value, Var],
    cuts: Cuts,
    target: Callable[[Number, int], Value],
) -> None:
    """Do as `_write_few` in loops over the vectors, in the same order of sums.

    The exponentials wait where the gradient will be.
    """
    (at, to), (w, total_loss) = places, sums
    whole, cost = b.var(0.0), b.var(0.0)
    peak = peak_of(b, at, cuts)
    total = write_exponentials(b, at, to, peak, cuts)
    logarithm = functions.log(b, b.splat(total, 1))[0]

    def add(start: Number, lanes: int, mask: Value | None) -> None:
        t = held(b, mask, target(start, lanes))
        x = held(b, mask, at.vector(start, lanes=lanes), float("-inf")) - peak
        whole.add(b.total(t))
        cost.add(b.total(_part(b, t, logarithm - x)))

    def write(start: Number, lanes: int, mask: Value | None) -> None:
        t = held(b, mask, target(start, lanes))
        e = to.vector(start, lanes=lanes)
        share = e / b.splat(total, lanes) * whole.get() - t
        to.store(held(b, mask, share * w), start)

    each_span(b, cuts, add)
    total_loss.add(b.select(logarithm.is_nan(), logarithm, cost.get()))
    each_span(b, cuts, write)


@kernel(z="f32*", labels="f32*", weight="f32*", loss="f32*", grad="f32*")
def element_loss(
    b: Builder,
    z: Pointer,
    labels: Pointer,
    weight: Pointer,
    loss: Pointer,
    grad: Pointer,
    *,
    spec: LossSpec,
) -> None:
    """loss = Σ over an example's numbers: binary cross entropy or squared errors."""
    channels = spec.z.channels
    total_loss, w = b.var(b.f32(0.0)), weight.load()
    if spec.goes_by_rows:
        with b.loop(spec.z.height) as i:
            row = z + (i * spec.z.row + spec.z.at(0, 0))
            to = grad + (i * spec.grad.row + spec.grad.at(0, 0))
            places = (row, labels + i * spec.z.width, to)
            _write_row(b, places, (w, total_loss), spec)
        loss.store(total_loss.get())
        return
    with b.loop(spec.z.height) as i, b.loop(spec.z.width) as j:
        position = (i * spec.z.width + j) * channels
        at = z + (i * spec.z.row + j * spec.z.padded_channels + spec.z.at(0, 0))
        to = grad + (
            i * spec.grad.row + j * spec.grad.padded_channels + spec.grad.at(0, 0)
        )
        places = (at, labels + position, to)
        _write_elements(b, places, (w, total_loss), spec)
    loss.store(total_loss.get())


def _write_row(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    sums: tuple[Value, Var],
    spec: LossSpec,
) -> None:
    """Write the gradient of a row of positions as vectors, and add their losses."""
    (at, labels, to), (w, total_loss) = places, sums
    row_loss = b.var(b.f32(0.0))
    for start, lanes, many in spans(spec.z.width, b.lanes):
        with b.loop(many) as k:
            place = k * lanes + start
            x, t = (p.vector(place, lanes=lanes) for p in (at, labels))
            cost, slope = _element(b, x, t, spec)
            row_loss.add(b.total(cost))
            to.store(slope * w, place)
    total_loss.add(row_loss.get())


def _write_elements(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    sums: tuple[Value, Var],
    spec: LossSpec,
) -> None:
    """Write one position's gradient and add its loss."""
    (at, labels, to), (w, total_loss) = places, sums
    channels = spec.z.channels

    def span(start: Number, lanes: int, mask: Value | None) -> None:
        t = exact(b, labels, start, lanes, channels)
        x = at.vector(start, lanes=lanes)
        cost, slope = _element(b, x, t, spec)
        total_loss.add(b.total(held(b, mask, cost)))
        to.store(held(b, mask, slope * w), start)

    each_span(b, channel_spans(b, channels), span)


def _element(b: Builder, x: Value, t: Value, spec: LossSpec) -> tuple[Value, Value]:
    """Return the losses of a vector of elements, and their derivatives."""
    if spec.kind == "binary":
        e = spec.smoothing
        t = t * (1 - e) + e / 2
        small = functions.exp(b, -b.absolute(x))
        cost = b.maximum(x, 0.0) - x * t + functions.log1p_small(b, small)
        return cost, b.select(x < 0.0, small, b.like(1.0, x)) / (small + 1.0) - t
    error = x - t
    return error * error, error * 2.0 if spec.kind == "mse" else error
