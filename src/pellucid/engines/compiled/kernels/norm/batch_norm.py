"""Batch normalization: statistics, forward and backward pass.

A chunk of images keeps for each channel its mean and the sum of squared distances
from it. All kernels take some rows at a time, which stay in the first cache while all
channels pass, and some vectors of channels side by side, as they lie in memory. Rows,
and then chunks, are joined in order by Chan, Golub & LeVeque (1979), eq. 2.1, so that
no large mean swallows a variance. Where an activation follows, its input is computed
anew in the backward pass: that is sooner than reading its output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.elementwise.activation import (
    Function,
    apply,
    derivative,
)
from pellucid.engines.compiled.kernels.elementwise.copies import Run, run_form
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import sized_spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Part

#: elements of the rows that go together: 16 KiB of each array
ROWS = 4096


@dataclass(frozen=True, slots=True)
class Norm:
    """x and y (or their derivatives) as they lie; what follows is fused."""

    x: ImageLayout
    y: ImageLayout
    epsilon: float
    momentum: float = 0.9
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class NormForm:
    """The same for any size; ``together`` rows go together."""

    height: Number
    width: Number
    true_channels: Number
    channels: Number
    together: Number
    x_row: Number
    x_column: Number
    x_begin: Number
    y_row: Number
    y_begin: Number
    to_row: Number
    to_begin: Number
    rest: int
    epsilon: float
    momentum: float
    function: Function | None
    uses_batch: bool = True
    accumulate: bool = False


@dataclass(frozen=True, slots=True)
class StatisticsForm(NormForm):
    """The same for one width, whose loop LLVM writes out: so sums keep their bits."""

    width: int


def _form(b: Builder, spec: Norm) -> NormForm:
    x, y = spec.x, spec.y
    return NormForm(
        height=x.height,
        width=x.width,
        true_channels=x.channels,
        channels=x.padded_channels,
        together=max(1, ROWS // (x.row // x.column * x.padded_channels)),
        x_row=x.row,
        x_column=x.column,
        x_begin=x.at(0, 0),
        y_row=y.row,
        y_begin=y.at(0, 0),
        to_row=0,
        to_begin=0,
        rest=x.padded_channels % b.lanes,
        epsilon=spec.epsilon,
        momentum=spec.momentum,
        function=spec.function,
    )


def _statistics_form(b: Builder, x: ImageLayout) -> StatisticsForm:
    form = _form(b, Norm(x, x, epsilon=0.0))
    return StatisticsForm(**{f.name: getattr(form, f.name) for f in fields(form)})


def _channels_form(b: Builder, spec: Norm) -> NormForm:
    """Return the form of what reads no image."""
    return _form(b, replace(spec, function=None))


def _channels(b: Builder, spec: NormForm | Run) -> Iterator[tuple[Number, int, Number]]:
    count = spec.channels if isinstance(spec, NormForm) else spec.count
    return sized_spans(b, count, spec.rest)


def _side_by_side(b: Builder, spec: NormForm) -> Iterator[list[tuple[Value, int]]]:
    """Yield (first channel, lanes) of some vectors at a time, by loops."""
    most = 4 if b.registers > 16 else 2
    for start, lanes, many in _channels(b, spec):
        begin: Number = 0
        if isinstance(many, Value):
            with b.loop(many // most) as k:
                first = k * (most * lanes) + start
                yield [(first + v * lanes, lanes) for v in range(most)]
            begin = many // most * most
        with b.loop(many, start=begin) as k:
            yield [(k * lanes + start, lanes)]


def inverse_root(
    b: Builder, variance: Value, epsilon: float, c: Value, channels: Number
) -> Value:
    """Return 1 / √(variance + ε) of the channels from c on.

    The channels from ``channels`` on hold zeros: without ε they would become infinite,
    and not a number once they are multiplied with zeros.
    """
    inverse = 1.0 / b.sqrt(variance + epsilon)
    if epsilon > 0:
        return inverse
    lanes = inverse.type.count
    index = b.iota(lanes) + b.splat(b.resize(c, "i32"), lanes)
    is_channel = index < b.splat(b.resize(b.i64(channels), "i32"), lanes)
    return b.select(is_channel, inverse, b.zeros(lanes))


def _rows_together(
    b: Builder, spec: NormForm, part: Part | None = None
) -> Iterator[Part]:
    """Yield (first, end) of some rows at a time, by a loop."""
    first, last = part or (b.i64(0), b.i64(spec.height))
    with b.loop(last, start=first, step=spec.together) as i:
        yield i, b.smaller(last, i + spec.together)


def _sums_over(
    b: Builder,
    place: Pointer,
    spec: NormForm,
    vectors: list[tuple[Value, int]],
    rows: Part,
    term: Callable[[int, Value], Value],
) -> list[Value]:
    """Return Σ term(n, x) over some rows' pixels for the n-th vector of channels."""
    totals = [b.var(b.zeros(lanes)) for _, lanes in vectors]
    with b.loop(rows[1], start=rows[0]) as i:
        parts = [b.var(b.zeros(lanes)) for _, lanes in vectors]
        row = place + (i * spec.x_row + spec.x_begin)
        with b.loop(spec.width) as j:
            pixel = row + j * spec.channels
            for n, (c, lanes) in enumerate(vectors):
                parts[n].add(term(n, pixel.vector(c, lanes=lanes)))
        for total, part in zip(totals, parts, strict=True):
            total.add(part.get())
    return [total.get() for total in totals]


@sized(_statistics_form)
@kernel(x="f32*", partial="f32*")
def norm_statistics(
    b: Builder, x: Pointer, partial: Pointer, *, spec: StatisticsForm
) -> None:
    """Join one image's statistics with those of a chunk's images before it.

    ``partial`` is [3][padded_channels]: numbers, mean, Σ (x − mean)² of each channel,
    zeros before the first image.
    """
    seen, area = partial.load(), b.to_float(b.i64(spec.height) * spec.width)
    for rows in _rows_together(b, spec):
        before = seen + b.to_float(b.i64(rows[0]) * spec.width)
        more = b.to_float((b.i64(rows[1]) - rows[0]) * spec.width)
        share = more / (before + more)
        for vectors in _side_by_side(b, spec):
            image = x, spec, vectors, rows
            _join_rows(b, image, partial, (more, share, before * share))
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            partial.store(b.splat(seen + area, lanes), k * lanes + start)


def _join_rows(
    b: Builder,
    image: tuple[Pointer, NormForm, list[tuple[Value, int]], Part],
    partial: Pointer,
    weights: tuple[Value, Value, Value],
) -> None:
    """Join the mean and Σ (x − mean)² of some rows with those of the rows before."""
    x, spec, vectors, rows = image
    numbers, share, weight = (b.splat(value, vectors[0][1]) for value in weights)
    sums = _sums_over(b, x, spec, vectors, rows, lambda _, v: v)
    means = [total / numbers for total in sums]

    def squared(n: int, v: Value) -> Value:
        return (v - means[n]) * (v - means[n])

    distances = _sums_over(b, x, spec, vectors, rows, squared)
    for (c, lanes), here, distance in zip(vectors, means, distances, strict=True):
        at = c + spec.channels
        mean = partial.vector(at, lanes=lanes)
        spread = partial.vector(at + spec.channels, lanes=lanes)
        delta = here - mean
        partial.store(b.fma(delta, share, mean), at)
        partial.store(spread + distance + delta * delta * weight, at + spec.channels)


@sized(_channels_form)
@kernel(partial="f32*", chunks="n", stride="n", statistics="f32*")
def norm_join(
    b: Builder,
    partial: Pointer,
    chunks: Value,
    stride: Value,
    statistics: Pointer,
    *,
    spec: NormForm,
) -> None:
    """statistics = (mean, variance, 1 / √(variance + ε)) from all chunks' partials."""
    channels = spec.channels
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            c = k * lanes + start
            seen, mean, spread = (b.var(b.zeros(lanes)) for _ in range(3))
            with b.loop(chunks) as n:
                one = partial + n * stride
                count, here = (
                    one.vector(c, lanes=lanes),
                    one.vector(c + channels, lanes=lanes),
                )
                after = seen.get() + count
                delta, share = here - mean.get(), count / after
                mean.set(b.fma(delta, share, mean.get()))
                distance = one.vector(c + channels * 2, lanes=lanes)
                more = delta * delta * seen.get() * share
                spread.set(spread.get() + distance + more)
                seen.set(after)
            variance = spread.get() / seen.get()
            statistics.store(mean.get(), c)
            statistics.store(variance, c + channels)
            inverse = inverse_root(b, variance, spec.epsilon, c, spec.true_channels)
            statistics.store(inverse, c + channels * 2)


@sized(_channels_form)
@written_out
@kernel(running_mean="f32*", running_variance="f32*", statistics="f32*")
def norm_from_running(
    b: Builder,
    running_mean: Pointer,
    running_variance: Pointer,
    statistics: Pointer,
    *,
    spec: NormForm,
) -> None:
    """statistics from the running mean and variance."""
    channels = spec.channels
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            c = k * lanes + start
            variance = running_variance.vector(c, lanes=lanes)
            statistics.store(running_mean.vector(c, lanes=lanes), c)
            statistics.store(variance, c + channels)
            inverse = inverse_root(b, variance, spec.epsilon, c, spec.true_channels)
            statistics.store(inverse, c + channels * 2)


@sized(_channels_form)
@kernel(statistics="f32*", running_mean="f32*", running_variance="f32*")
def norm_update_running(
    b: Builder,
    statistics: Pointer,
    running_mean: Pointer,
    running_variance: Pointer,
    *,
    spec: NormForm,
) -> None:
    """running = momentum · running + (1 − momentum) · batch."""
    places = running_mean, running_variance
    for row, running in enumerate(places):
        _update_running(b, statistics + b.i64(row) * spec.channels, running, spec)


@sized(_channels_form)
@kernel(statistics="f32*", running_mean="f32*", running_variance="f32*", numbers="x")
def norm_update_running_unbiased(
    b: Builder,
    statistics: Pointer,
    running_mean: Pointer,
    running_variance: Pointer,
    numbers: Value,
    *,
    spec: NormForm,
) -> None:
    """As `norm_update_running`, with the unbiased variance n / (n − 1) · batch."""
    spread = statistics + spec.channels
    factor = numbers / (numbers - 1.0)
    _update_running(b, statistics, running_mean, spec)
    _update_running(b, spread, running_variance, spec, factor)


def _update_running(
    b: Builder,
    batch: Pointer,
    running: Pointer,
    spec: NormForm,
    factor: Value | None = None,
) -> None:
    keep = spec.momentum
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            c = k * lanes + start
            now = batch.vector(c, lanes=lanes)
            if factor is not None:
                now = now * b.splat(factor, lanes)
            old = running.vector(c, lanes=lanes)
            running.store(old * keep + now * (1 - keep), c)


@sized(_form)
@written_out
@kernel(x="f32*", statistics="f32*", scale="f32*", offset="f32*", y="f32*")
def norm_forward(
    b: Builder,
    x: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    y: Pointer,
    *,
    spec: NormForm,
    part: Part | None = None,
) -> None:
    """y = f((x − mean) · scale / σ + offset); f is an activation or nothing.

    A part is some rows.
    """
    _forward(b, (x, y, None), (statistics, scale, offset), spec, part)


def _sum_form(b: Builder, spec: NormSum) -> NormForm:
    other = spec.other
    return replace(_form(b, spec.norm), to_row=other.row, to_begin=other.at(0, 0))


@dataclass(frozen=True, slots=True)
class NormSum:
    """A normalization, and how the image lies that is added before its function."""

    norm: Norm
    other: ImageLayout


@sized(_sum_form)
@written_out
@kernel(
    x="f32*", statistics="f32*", scale="f32*", offset="f32*", other="f32*", y="f32*"
)
def norm_sum_forward(
    b: Builder,
    x: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    other: Pointer,
    y: Pointer,
    *,
    spec: NormForm,
) -> None:
    """y = f((x − mean) · scale / σ + offset + other)."""
    _forward(b, (x, y, other), (statistics, scale, offset), spec)


def _forward(
    b: Builder,
    images: tuple[Pointer, Pointer, Pointer | None],
    places: tuple[Pointer, Pointer, Pointer],
    spec: NormForm,
    part: Part | None = None,
) -> None:
    (x, y, other), channels = images, spec.channels
    for first, last in _rows_together(b, spec, part):
        for vectors in _side_by_side(b, spec):
            normals = [Normal(b, places, *v, channels) for v in vectors]
            with b.loop(last, start=first) as i, b.loop(spec.width) as j:
                at = i * spec.x_row + j * spec.x_column + spec.x_begin
                beside = i * spec.to_row + j * channels + spec.to_begin
                to = i * spec.y_row + j * channels + spec.y_begin
                for (c, lanes), normal in zip(vectors, normals, strict=True):
                    value = normal.output((x + at).vector(c, lanes=lanes))
                    if other is not None:
                        value = value + (other + beside).vector(c, lanes=lanes)
                    (y + to).store(apply(b, spec.function, value), c)


class Normal:
    """The normalization of a vector of channels."""

    def __init__(
        self,
        b: Builder,
        places: tuple[Pointer, Pointer, Pointer],
        c: Value,
        lanes: int,
        channels: Number,
    ) -> None:
        statistics, scale, offset = places
        self._b, self.mean = b, statistics.vector(c, lanes=lanes)
        self.inverse = statistics.vector(c + channels * 2, lanes=lanes)
        self.slope = self.inverse * scale.vector(c, lanes=lanes)
        self._shift = offset.vector(c, lanes=lanes)

    def output(self, x: Value) -> Value:
        """Return (x − mean) · scale / σ + offset."""
        return self._b.fma(x - self.mean, self.slope, self._shift)

    def through(self, function: Function | None, x: Value, grad: Value) -> Value:
        """Return the gradient of the output from that of the activation after it."""
        if function is None:
            return grad
        made = self.output(x)
        if function.kind == "relu":
            return self._b.select(made > 0.0, grad, 0.0)
        if function.is_from_output:
            made = apply(self._b, function, made)
        return grad * derivative(self._b, function, made)


@sized(_form)
@kernel(
    x="f32*", grad_y="f32*", statistics="f32*", scale="f32*", offset="f32*", sums="f32*"
)
def norm_backward_sums(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    statistics: Pointer,
    scale: Pointer,
    offset: Pointer,
    sums: Pointer,
    *,
    spec: NormForm,
) -> None:
    """sums += (Σ grad_y, Σ grad_y · x̂) of one image; spec.y is grad_y's layout.

    Where an activation follows, grad_y is the gradient with respect to its output.
    """
    channels, places = spec.channels, (statistics, scale, offset)
    for first, last in _rows_together(b, spec):
        for vectors in _side_by_side(b, spec):
            normals = [Normal(b, places, *v, channels) for v in vectors]
            totals = [_Pair(b, lanes) for _, lanes in vectors]
            with b.loop(last, start=first) as i:
                row = x + (i * spec.x_row + spec.x_begin)
                grads = grad_y + (i * spec.y_row + spec.y_begin)
                parts = [_Pair(b, lanes) for _, lanes in vectors]
                with b.loop(spec.width) as j:
                    pixel = j * channels
                    for (c, lanes), normal, part in zip(
                        vectors, normals, parts, strict=True
                    ):
                        value = (row + pixel).vector(c, lanes=lanes)
                        grad = (grads + pixel).vector(c, lanes=lanes)
                        grad = normal.through(spec.function, value, grad)
                        part.plain.add(grad)
                        along = b.fma(grad, value - normal.mean, part.along.get())
                        part.along.set(along)
                for total, part in zip(totals, parts, strict=True):
                    total.plain.add(part.plain.get())
                    total.along.add(part.along.get())
            for (c, lanes), normal, total in zip(vectors, normals, totals, strict=True):
                sums.store(sums.vector(c, lanes=lanes) + total.plain.get(), c)
                at, along = c + channels, total.along.get() * normal.inverse
                sums.store(sums.vector(at, lanes=lanes) + along, at)


class _Pair:
    """Σ grad_y and Σ grad_y · (x − mean) of a vector of channels."""

    def __init__(self, b: Builder, lanes: int) -> None:
        self.plain, self.along = b.var(b.zeros(lanes)), b.var(b.zeros(lanes))


@sized(run_form)
@kernel(sums="f32*", chunks="n", stride="n", totals="f32*")
def norm_join_sums(
    b: Builder,
    sums: Pointer,
    chunks: Value,
    stride: Value,
    totals: Pointer,
    *,
    spec: Run,
) -> None:
    """totals = Σ over chunks, in their order; spec counts the numbers."""
    for start, lanes, many in _channels(b, spec):
        with b.loop(many) as k:
            c = k * lanes + start
            total = b.var(b.zeros(lanes))
            with b.loop(chunks) as n:
                total.add((sums + n * stride).vector(c, lanes=lanes))
            totals.store(total.get(), c)


@dataclass(frozen=True, slots=True)
class NormBack:
    """How x and the derivatives lie; whether the statistics depend on x."""

    x: ImageLayout
    grad_y: ImageLayout
    grad_x: ImageLayout
    uses_batch: bool
    accumulate: bool
    function: Function | None = None


def _back_form(b: Builder, spec: NormBack) -> NormForm:
    norm = Norm(spec.x, spec.grad_y, 0.0, 0.0, spec.function)
    return replace(
        _form(b, norm),
        to_row=spec.grad_x.row,
        to_begin=spec.grad_x.at(0, 0),
        uses_batch=spec.uses_batch,
        accumulate=spec.accumulate,
    )


@sized(_back_form)
@kernel(
    x="f32*",
    grad_y="f32*",
    statistics="f32*",
    totals="f32*",
    scale="f32*",
    offset="f32*",
    numbers="x",
    grad_x="f32*",
)
def norm_backward(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    statistics: Pointer,
    totals: Pointer,
    scale: Pointer,
    offset: Pointer,
    numbers: Value,
    grad_x: Pointer,
    *,
    spec: NormForm,
) -> None:
    """grad_x = or += scale / σ · (grad_y − Σ grad_y / n − x̂ · Σ (grad_y · x̂) / n)."""
    channels, places = spec.channels, (statistics, scale, offset)
    for first, last in _rows_together(b, spec):
        for vectors in _side_by_side(b, spec):
            normals = [Normal(b, places, *v, channels) for v in vectors]
            moves = list[tuple[Value, Value]]()
            for (c, lanes), normal in zip(vectors, normals, strict=True):
                if spec.uses_batch:
                    n = b.splat(numbers, lanes)
                    shift = totals.vector(c, lanes=lanes) / n
                    stretch = totals.vector(c + channels, lanes=lanes) / n
                    moves.append((shift, stretch * normal.inverse))
            with b.loop(last, start=first) as i, b.loop(spec.width) as j:
                row = i * spec.y_row + j * channels + spec.y_begin
                at = i * spec.x_row + j * channels + spec.x_begin
                place = i * spec.to_row + j * channels + spec.to_begin
                for v, ((c, lanes), normal) in enumerate(
                    zip(vectors, normals, strict=True)
                ):
                    grad = (grad_y + row).vector(c, lanes=lanes)
                    value = (x + at).vector(c, lanes=lanes)
                    grad = normal.through(spec.function, value, grad)
                    if spec.uses_batch:
                        shift, stretch = moves[v]
                        grad = grad - shift - (value - normal.mean) * stretch
                    grad = grad * normal.slope
                    if spec.accumulate:
                        grad = grad + (grad_x + place).vector(c, lanes=lanes)
                    (grad_x + place).store(grad, c)
