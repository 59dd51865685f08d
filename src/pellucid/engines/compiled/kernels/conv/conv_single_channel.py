"""Convolution of one channel to few: vectors of neighboring pixels.

With fewer output channels than lanes a vector holds ``lanes / channels`` neighbouring
outputs of a row. One channel in means that the numbers they need lie side by side, so
they are loaded at once and repeated. Within the sums a lane is channel · pixels +
pixel; in memory it is pixel · channels + channel.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.tile import Axis, Part, runs, split, tile

#: taps whose sums are made together; with twice as many the compiler has too few
#: registers
_TAPS = 14


def single_channel_fits(spec: Conv, lanes: int) -> bool:
    """Return whether some neighbouring outputs fill a vector."""
    pixels = lanes // spec.y.padded_channels
    return (
        spec.x.padded_channels == 1
        and spec.stride[1] == 1
        and 1 < pixels <= spec.y.width
        and spec.kernel[1] <= lanes
    )


def single_channel_weight_size(spec: Conv, lanes: int) -> int:
    """Return how many numbers the repeated weights have."""
    return spec.kernel[0] * spec.kernel[1] * lanes


@kernel(w="f32*", repeated="f32*")
def single_channel_weight(
    b: Builder, w: Pointer, repeated: Pointer, *, spec: Conv
) -> None:
    """repeated[u, v, c · pixels + p] = w[u, v, 0, c]."""
    pixels = b.lanes // spec.y.padded_channels
    with b.loop(spec.kernel[0] * spec.kernel[1] * spec.y.padded_channels) as i:
        repeated.store(w.splat(i, lanes=pixels), i * pixels)


@kernel(x="f32*", repeated="f32*", bias="f32*", y="f32*")
def single_channel_forward(
    b: Builder,
    x: Pointer,
    repeated: Pointer,
    bias: Pointer,
    y: Pointer,
    *,
    spec: Conv,
    part: Part | None = None,
) -> None:
    """y[i, j, o] = f(bias[o] + Σ x[i·s + u·d − top, j + v·d − left] · w[u, v, o]).

    A part is some rows of y.
    """
    first, last = part or (0, spec.y.height)
    out, m, sy = spec.y, spec.x, spec.stride[0]
    pixels = b.lanes // out.padded_channels
    start = b.zeros()
    if spec.has_bias:
        start = _inward(b, _repeated(b, bias, out.padded_channels), pixels)
    x, y = x + m.at(-spec.top_left[0], -spec.top_left[1]), y + out.at(0, 0)
    with b.loop(last, start=first) as i:
        px, py = x + i * (sy * m.row), y + i * out.row

        def some(j: int | Value, length: int) -> None:
            sums = tile(
                b,
                px + j,
                repeated,
                rows=[r * pixels for r in range(length)],
                vectors=1,
                axes=_taps(b, spec),
                lanes=b.lanes,
                start=[[start]] * length,
                spread=lambda at: _repeated(b, at, pixels),
            )
            for r, (value,) in enumerate(sums):
                done = apply(b, spec.function, _outward(b, value, pixels))
                py.store(done, (j + r * pixels) * out.padded_channels)

        for p, length, times in runs(split(out.width // pixels, b.registers - 4)):
            with b.loop(times) as k:
                some((k * length + p) * pixels, length)
        if out.width % pixels:
            some(out.width - pixels, 1)  # some of these once more


@kernel(x="f32*", grad_y="f32*", grad_weight="f32*")
def single_channel_weight_grad(
    b: Builder, x: Pointer, grad_y: Pointer, grad_weight: Pointer, *, spec: Conv
) -> None:
    """grad_weight[u, v, 0, o] += Σ x[i·s + u·d − top, j + v·d − left] · grad_y."""
    out, m, sy = spec.y, spec.x, spec.stride[0]
    (kh, kw), (dy, dx) = spec.kernel, spec.dilation
    pixels = b.lanes // out.padded_channels
    x, grad_y = x + m.at(-spec.top_left[0], -spec.top_left[1]), grad_y + out.at(0, 0)
    full, rest = divmod(out.width, pixels)
    taps = [u * dy * m.row + v * dx for u in range(kh) for v in range(kw)]
    last = b.iota() > ((pixels - rest) * out.padded_channels - 1)

    def ending(value: Value) -> Value:
        return _inward(b, b.select(last, value, 0.0), pixels)

    down = Axis(out.height, sy * m.row, out.row)
    for first, length in split(len(taps), _TAPS):
        here = taps[first : first + length]
        sums = tile(
            b,
            x,
            grad_y,
            rows=here,
            vectors=1,
            axes=[down, Axis(full, pixels, b.lanes)],
            lanes=b.lanes,
            spread=lambda at: _repeated(b, at, pixels),
            taken=lambda value: _inward(b, value, pixels),
        )
        if rest:
            sums = tile(
                b,
                x + (out.width - pixels),
                grad_y + (out.width - pixels) * out.padded_channels,
                rows=here,
                vectors=1,
                axes=[down],
                lanes=b.lanes,
                start=sums,
                spread=lambda at: _repeated(b, at, pixels),
                taken=ending,
            )
        for r, (value,) in enumerate(sums):
            to = grad_weight + (first + r) * out.padded_channels
            whole = _joined(b, _outward(b, value, pixels), out.padded_channels)
            to.store(to.vector(lanes=out.padded_channels) + whole)


def _taps(b: Builder, spec: Conv) -> list[Axis]:
    kh, kw = spec.kernel
    down = Axis(kh, spec.dilation[0] * spec.x.row, kw * b.lanes)
    return [down, Axis(kw, spec.dilation[1], b.lanes)]


def _repeated(b: Builder, at: Pointer, count: int) -> Value:
    """Return a vector that repeats so many numbers."""
    few = at.vector(lanes=count)
    return b.shuffle(few, few, [lane % count for lane in range(b.lanes)])


def _inward(b: Builder, x: Value, pixels: int) -> Value:
    """Return lanes [pixel][channel] as [channel][pixel]."""
    channels = b.lanes // pixels
    order = [p * channels + c for c in range(channels) for p in range(pixels)]
    return b.shuffle(x, x, order)


def _outward(b: Builder, x: Value, pixels: int) -> Value:
    """Return lanes [channel][pixel] as [pixel][channel]."""
    channels = b.lanes // pixels
    order = [c * pixels + p for p in range(pixels) for c in range(channels)]
    return b.shuffle(x, x, order)


def _joined(b: Builder, x: Value, channels: int) -> Value:
    """Return the sums over the pixels of lanes [pixel][channel]."""
    count = b.lanes
    while count > channels:
        count //= 2
        lower, upper = list(range(count)), list(range(count, 2 * count))
        x = b.shuffle(x, x, lower) + b.shuffle(x, x, upper)
    return x
