"""This file is the losses of one example and their derivatives by the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pellucid.engines.compiled.kernels import functions
from pellucid.engines.compiled.kernels.ir import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.layout import Map
from pellucid.engines.compiled.kernels.softmax import exponentials
from pellucid.engines.compiled.kernels.sweep import channel_spans, held


@dataclass(frozen=True, slots=True)
class LossSpec:
    """A loss: how the output lies, and the loss's own number.

    ``kind``: "classes" and "soft" (cross entropy), "binary", "mse", "half".
    """

    kind: Literal["classes", "soft", "binary", "mse", "half"]
    z: Map
    grad: Map
    smoothing: float = 0.0


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

    def target(position: Value, start: int, lanes: int) -> Value:
        label = b.resize(labels.load(position), "i32")
        t = b.select((b.iota(lanes) + start).equals(label), 1.0, b.zeros(lanes))
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

    def target(position: Value, start: int, lanes: int) -> Value:
        t = exact(b, labels + position * classes, start, lanes, classes)
        return t * (1 - smooth) + smooth / classes if smooth else t

    _cross_entropy(b, (z, weight, loss, grad), spec, cuts, target)


def exact(b: Builder, place: Pointer, start: int, lanes: int, count: int) -> Value:
    """Return a vector without reading beyond ``count`` numbers."""
    if start + lanes <= count:
        return place.vector(start, lanes=lanes)
    value = b.zeros(lanes)
    for lane in range(count - start):
        one = place.load(start + lane)
        index = b.const(lane, b.iota(1).type.element).v
        value = Value(b, b.ir.insert_element(value.v, one.v, index))
    return value


def _cross_entropy(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    spec: LossSpec,
    cuts: list[tuple[int, int, Value | None]],
    target: object,
) -> None:
    z, weight, loss, grad = places
    total_loss, w = b.var(b.f32(0.0)), weight.load()
    with b.loop(spec.z.height) as i, b.loop(spec.z.width) as j:
        position = i * spec.z.width + j
        at = z + (i * spec.z.row + j * spec.z.stored + spec.z.at(0, 0))
        to = grad + (i * spec.grad.row + j * spec.grad.stored + spec.grad.at(0, 0))
        shifted, exps, total = exponentials(b, at, cuts)
        logarithm = functions.log(b, b.splat(total, 1))[0]
        targets = [
            held(b, mask, target(position, start, lanes))  # type: ignore[operator]
            for start, lanes, mask in cuts
        ]
        whole, cost = b.f32(0.0) * 1.0, b.f32(0.0) * 1.0
        for t, x in zip(targets, shifted, strict=True):
            whole = whole + b.total(t)
            # where t is 0 the product is 0, whatever x: −infinity too
            part = b.select(t.equals(0.0), 0.0, t * (logarithm - x))
            cost = cost + b.total(part)
        cost = b.select(logarithm.is_nan(), logarithm, cost)
        total_loss.add(cost)
        for t, e, (start, lanes, mask) in zip(targets, exps, cuts, strict=True):
            share = e / b.splat(total, lanes) * whole - t
            to.store(held(b, mask, share * w), start)
    loss.store(total_loss.get())


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
    channels, e = spec.z.channels, spec.smoothing
    total_loss, w = b.var(b.f32(0.0)), weight.load()
    with b.loop(spec.z.height) as i, b.loop(spec.z.width) as j:
        position = (i * spec.z.width + j) * channels
        at = z + (i * spec.z.row + j * spec.z.stored + spec.z.at(0, 0))
        to = grad + (i * spec.grad.row + j * spec.grad.stored + spec.grad.at(0, 0))
        for start, lanes, mask in channel_spans(b, channels):
            t = exact(b, labels + position, start, lanes, channels)
            x = at.vector(start, lanes=lanes)
            if spec.kind == "binary":
                t = t * (1 - e) + e / 2
                small = functions.exp(b, -b.absolute(x))
                cost = b.maximum(x, 0.0) - x * t + functions.log1p_small(b, small)
                slope = b.select(x < 0.0, small, b.like(1.0, x)) / (small + 1.0) - t
            else:
                error = x - t
                cost = error * error
                slope = error * 2.0 if spec.kind == "mse" else error
            total_loss.add(b.total(held(b, mask, cost)))
            to.store(held(b, mask, slope * w), start)
    loss.store(total_loss.get())
