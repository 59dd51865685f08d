"""Batch normalization: statistics, forward and backward pass.

A chunk of images keeps for each channel its mean and the sum of squared distances
from it (two passes over numbers that are in cache). Chunks are joined in order by
Chan, Golub & LeVeque (1979), eq. 2.1, so that no large mean swallows a variance.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part


@dataclass(frozen=True, slots=True)
class Norm:
    """x and y (or their derivatives) as they lie; what follows is fused."""

    x: ImageLayout
    y: ImageLayout
    epsilon: float
    momentum: float = 0.9
    has_relu: bool = False
    seen: ImageLayout | None = None

    @property
    def area(self) -> int:
        """Numbers of one channel in one image."""
        return self.x.height * self.x.width


def _channels(b: Builder, padded_channels: int) -> list[tuple[int, int, int]]:
    return spans(padded_channels, b.lanes)


def _sum_over(
    b: Builder, place: Pointer, m: ImageLayout, c: Number, lanes: int, term: object
) -> Value:
    """Return Σ term(x) over an image's pixels for a vector of channels."""
    total = b.var(b.zeros(lanes))
    with b.loop(m.height) as i:
        part = b.var(b.zeros(lanes))
        row = place + (i * m.row + m.at(0, 0)) + c
        with b.loop(m.width) as j:
            part.add(term((row + j * m.padded_channels).vector(lanes=lanes)))  # type: ignore[operator]
        total.add(part.get())
    return total.get()


@kernel(x="f32*", images="n", stride="n", partial="f32*")
def norm_statistics(
    b: Builder,
    x: Pointer,
    images: Value,
    stride: Value,
    partial: Pointer,
    *,
    spec: ImageLayout,
) -> None:
    """partial = (numbers, mean, Σ (x − mean)²) of each channel over a chunk.

    ``partial`` is [3][padded_channels]; ``stride`` counts floats from image to image.
    """
    for start, lanes, many in _channels(b, spec.padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            mean, spread = b.var(b.zeros(lanes)), b.var(b.zeros(lanes))
            seen = b.var(b.f32(0.0))
            with b.loop(images) as n:
                image, area = x + n * stride, float(spec.height * spec.width)
                here = _sum_over(b, image, spec, c, lanes, lambda v: v) / area

                def squared(v: Value, here: Value = here) -> Value:
                    return (v - here) * (v - here)

                distance = _sum_over(b, image, spec, c, lanes, squared)
                before = seen.get()
                after = before + area
                delta = here - mean.get()
                share = b.splat(b.f32(area) * b.f32(1.0) / after, lanes)
                mean.set(b.fma(delta, share, mean.get()))
                weight = b.splat(before, lanes) * share
                spread.set(spread.get() + distance + delta * delta * weight)
                seen.set(after)
            partial.store(b.splat(seen.get(), lanes), c)
            partial.store(mean.get(), c + spec.padded_channels)
            partial.store(spread.get(), c + 2 * spec.padded_channels)


def _through_relu(
    b: Builder,
    grad: Value,
    seen: Pointer,
    m: ImageLayout | None,
    place: tuple[Value, Value, Value],
) -> Value:
    """Return the derivative by ReLU's input from the one by its output."""
    if m is None:
        return grad
    i, j, c = place
    at = i * m.row + j * m.padded_channels + m.at(0, 0)
    output = (seen + at).vector(c, lanes=grad.type.count)
    return b.select(output > 0.0, grad, 0.0)


@kernel(partial="f32*", chunks="n", stride="n", statistics="f32*")
def norm_join(
    b: Builder,
    partial: Pointer,
    chunks: Value,
    stride: Value,
    statistics: Pointer,
    *,
    spec: Norm,
) -> None:
    """statistics = (mean, variance, 1 / √(variance + ε)) from all chunks' partials."""
    padded_channels = spec.x.padded_channels
    for start, lanes, many in _channels(b, padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            seen, mean, spread = (b.var(b.zeros(lanes)) for _ in range(3))
            with b.loop(chunks) as n:
                one = partial + n * stride
                count, here = (
                    one.vector(c, lanes=lanes),
                    one.vector(c + padded_channels, lanes=lanes),
                )
                after = seen.get() + count
                delta, share = here - mean.get(), count / after
                mean.set(b.fma(delta, share, mean.get()))
                distance = one.vector(c + 2 * padded_channels, lanes=lanes)
                more = delta * delta * seen.get() * share
                spread.set(spread.get() + distance + more)
                seen.set(after)
            variance = spread.get() / seen.get()
            statistics.store(mean.get(), c)
            statistics.store(variance, c + padded_channels)
            root = b.sqrt(variance + spec.epsilon)
            statistics.store(1.0 / root, c + 2 * padded_channels)


@kernel(running_mean="f32*", running_variance="f32*", statistics="f32*")
def norm_from_running(
    b: Builder,
    running_mean: Pointer,
    running_variance: Pointer,
    statistics: Pointer,
    *,
    spec: Norm,
) -> None:
    """statistics from the running mean and variance."""
    padded_channels = spec.x.padded_channels
    for start, lanes, many in _channels(b, padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            variance = running_variance.vector(c, lanes=lanes)
            statistics.store(running_mean.vector(c, lanes=lanes), c)
            statistics.store(variance, c + padded_channels)
            root = b.sqrt(variance + spec.epsilon)
            statistics.store(1.0 / root, c + 2 * padded_channels)


@kernel(statistics="f32*", running_mean="f32*", running_variance="f32*")
def norm_update_running(
    b: Builder,
    statistics: Pointer,
    running_mean: Pointer,
    running_variance: Pointer,
    *,
    spec: Norm,
) -> None:
    """running = momentum · running + (1 − momentum) · batch."""
    places = running_mean, running_variance
    for row, running in enumerate(places):
        _update_running(b, statistics + row * spec.x.padded_channels, running, spec)


@kernel(statistics="f32*", running_mean="f32*", running_variance="f32*", numbers="x")
def norm_update_running_unbiased(
    b: Builder,
    statistics: Pointer,
    running_mean: Pointer,
    running_variance: Pointer,
    numbers: Value,
    *,
    spec: Norm,
) -> None:
    """As `norm_update_running`, with the unbiased variance n / (n − 1) · batch."""
    spread = statistics + spec.x.padded_channels
    factor = numbers / (numbers - 1.0)
    _update_running(b, statistics, running_mean, spec)
    _update_running(b, spread, running_variance, spec, factor)


def _update_running(
    b: Builder,
    batch: Pointer,
    running: Pointer,
    spec: Norm,
    factor: Value | None = None,
) -> None:
    keep = spec.momentum
    for start, lanes, many in _channels(b, spec.x.padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            now = batch.vector(c, lanes=lanes)
            if factor is not None:
                now = now * b.splat(factor, lanes)
            old = running.vector(c, lanes=lanes)
            running.store(old * keep + now * (1 - keep), c)


@kernel(x="f32*", statistics="f32*", scale="f32*", offset="f32*", y="f32*")
def norm_forward(
    b: Builder,
    x: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    y: Pointer,
    *,
    spec: Norm,
    part: Part | None = None,
) -> None:
    """y = f((x − mean) · scale / σ + offset); f is ReLU or nothing.

    A part is some rows.
    """
    m, padded_channels = spec.x, spec.x.padded_channels
    first, last = part or (0, m.height)
    for start, lanes, many in _channels(b, padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            mean = statistics.vector(c, lanes=lanes)
            slope = statistics.vector(c + 2 * padded_channels, lanes=lanes)
            slope = slope * scale.vector(c, lanes=lanes)
            shift = offset.vector(c, lanes=lanes)
            with b.loop(last, start=first) as i, b.loop(m.width) as j:
                at = i * m.row + j * padded_channels + m.at(0, 0)
                value = (x + at).vector(c, lanes=lanes)
                value = b.fma(value - mean, slope, shift)
                if spec.has_relu:
                    value = b.relu(value)
                (y + (i * spec.y.row + j * padded_channels + spec.y.at(0, 0))).store(
                    value, c
                )


@kernel(x="f32*", grad_y="f32*", seen="f32*", statistics="f32*", sums="f32*")
def norm_backward_sums(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    seen: Pointer,
    statistics: Pointer,
    sums: Pointer,
    *,
    spec: Norm,
) -> None:
    """sums += (Σ grad_y, Σ grad_y · x̂) of one image; spec.y is grad_y's layout.

    Where ReLU follows, ``seen`` is its output and grad_y the derivative by it.
    """
    m, padded_channels = spec.x, spec.x.padded_channels
    for start, lanes, many in _channels(b, padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            mean = statistics.vector(c, lanes=lanes)
            inverse = statistics.vector(c + 2 * padded_channels, lanes=lanes)
            plain, along = b.var(b.zeros(lanes)), b.var(b.zeros(lanes))
            with b.loop(m.height) as i:
                p, q = b.var(b.zeros(lanes)), b.var(b.zeros(lanes))
                rows = (
                    x + (i * m.row + m.at(0, 0)),
                    grad_y + (i * spec.y.row + spec.y.at(0, 0)),
                )
                with b.loop(m.width) as j:
                    value = (rows[0] + j * padded_channels).vector(c, lanes=lanes)
                    grad = (rows[1] + j * padded_channels).vector(c, lanes=lanes)
                    grad = _through_relu(b, grad, seen, spec.seen, (i, j, c))
                    p.add(grad)
                    q.set(b.fma(grad, value - mean, q.get()))
                plain.add(p.get())
                along.add(q.get())
            sums.store(sums.vector(c, lanes=lanes) + plain.get(), c)
            total = (
                sums.vector(c + padded_channels, lanes=lanes) + along.get() * inverse
            )
            sums.store(total, c + padded_channels)


@kernel(sums="f32*", chunks="n", stride="n", totals="f32*")
def norm_join_sums(
    b: Builder,
    sums: Pointer,
    chunks: Value,
    stride: Value,
    totals: Pointer,
    *,
    spec: int,
) -> None:
    """totals = Σ over chunks, in their order; spec counts the numbers."""
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            c = k * lanes + start
            total = b.var(b.zeros(lanes))
            with b.loop(chunks) as n:
                total.add((sums + n * stride).vector(c, lanes=lanes))
            totals.store(total.get(), c)


@kernel(
    x="f32*",
    grad_y="f32*",
    seen="f32*",
    statistics="f32*",
    totals="f32*",
    scale="f32*",
    numbers="x",
    grad_x="f32*",
)
def norm_backward(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    seen: Pointer,
    statistics: Pointer,
    totals: Pointer,
    scale: Pointer,
    numbers: Value,
    grad_x: Pointer,
    *,
    spec: NormBack,
) -> None:
    """grad_x = or += scale / σ · (grad_y − Σ grad_y / n − x̂ · Σ (grad_y · x̂) / n)."""
    m, padded_channels, g, to = spec.x, spec.x.padded_channels, spec.grad_y, spec.grad_x
    for start, lanes, many in _channels(b, padded_channels):
        with b.loop(many) as k:
            c = k * lanes + start
            inverse = statistics.vector(c + 2 * padded_channels, lanes=lanes)
            factor = inverse * scale.vector(c, lanes=lanes)
            mean = statistics.vector(c, lanes=lanes)
            n = b.splat(numbers, lanes)
            shift = stretch = b.zeros(lanes)
            if spec.uses_batch:
                shift = totals.vector(c, lanes=lanes) / n
                stretch = totals.vector(c + padded_channels, lanes=lanes) / n * inverse
            with b.loop(m.height) as i, b.loop(m.width) as j:
                row = i * g.row + j * padded_channels + g.at(0, 0)
                grad = (grad_y + row).vector(c, lanes=lanes)
                grad = _through_relu(b, grad, seen, spec.seen, (i, j, c))
                if spec.uses_batch:
                    at = i * m.row + j * padded_channels + m.at(0, 0)
                    value = (x + at).vector(c, lanes=lanes)
                    grad = grad - shift - (value - mean) * stretch
                grad = grad * factor
                place = grad_x + (i * to.row + j * padded_channels + to.at(0, 0))
                if spec.accumulate:
                    grad = grad + place.vector(c, lanes=lanes)
                place.store(grad, c)


@dataclass(frozen=True, slots=True)
class NormBack:
    """How x and the derivatives lie; whether the statistics depend on x."""

    x: ImageLayout
    grad_y: ImageLayout
    grad_x: ImageLayout
    uses_batch: bool
    accumulate: bool
    seen: ImageLayout | None = None
