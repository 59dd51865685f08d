"""Depthwise convolution: forward and backward pass.

Lanes are channels, so there are no sums over lanes and nothing to multiply by a matrix:
a vector of x meets one vector of weights per tap. What neighbouring pixels share is
loaded once. Weights are [kernel_h][kernel_w][1][channels] in all three kernels.
"""

from __future__ import annotations

from contextlib import nullcontext

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.conv_input_grad import Taps, taps_of_axis
from pellucid.engines.compiled.kernels.elementwise.activation import apply
from pellucid.engines.compiled.kernels.tile import Part, lanes_for, runs, split

#: pixels of a row whose sums are made together
PIXELS = 8
#: numbers of x that pass all channels' sums of a weight gradient: 32 KiB
TOGETHER = 8192


def depthwise_fits(conv: Conv) -> bool:
    """Return whether a convolution has one input channel for each output channel."""
    is_alone = conv.groups == conv.x.channels == conv.y.channels
    return is_alone and conv.x.padded_channels == conv.y.padded_channels


class _Held:
    """Vectors that are loaded when first asked for, and once."""

    def __init__(self, at: Pointer, lanes: int) -> None:
        self._at, self._lanes = at, lanes
        self._seen: dict[int, Value] = {}

    def __getitem__(self, offset: int) -> Value:
        if offset not in self._seen:
            self._seen[offset] = self._at.vector(offset, lanes=self._lanes)
        return self._seen[offset]


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*")
def depthwise_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    *,
    spec: Conv,
    part: Part | None = None,
) -> None:
    """y[i, j, c] = f(bias[c] + Σ x[i·s + u·d − top, j·s + v·d − left, c] · w[u, v]).

    A part is some rows of y.
    """
    first, last = part or (b.i64(0), b.i64(spec.y.height))
    m = spec.x
    x, y = x + m.at(-spec.top_left[0], -spec.top_left[1]), y + spec.y.at(0, 0)
    together = _rows_together(b, spec)
    whole = (last - first) // together
    with b.loop(whole) as n:
        _rows(b, (x, w, bias, y), spec, first + n * together, together)
    if together > 1:
        with b.loop(last, start=first + whole * together) as i:
            _rows(b, (x, w, bias, y), spec, i, 1)


def _rows_together(b: Builder, spec: Conv) -> int:
    """Return how many rows of y are made at once: two share what they read.

    Twelve sums and nine taps take 21 registers.
    """
    shares = spec.kernel == (3, 3) and spec.stride == spec.dilation == (1, 1)
    return 2 if shares and b.registers > 16 and spec.y.height > 1 else 1


def _rows(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer, Pointer],
    spec: Conv,
    row: Value,
    count: int,
) -> None:
    """Make ``count`` rows of y: rows go first, so that x is read as it lies."""
    (x, w, bias, y), m, out = places, spec.x, spec.y
    (kh, kw), (sy, sx), (dy, dx) = spec.kernel, spec.stride, spec.dilation
    lanes = lanes_for(b, out.padded_channels)
    px, py = x + row * (sy * m.row), y + row * out.row
    with b.loop(out.padded_channels, step=lanes) as c:
        start = (bias + c).vector(lanes=lanes) if spec.has_bias else b.zeros(lanes)
        weights = _Held(w + c, lanes)
        for tap in range(kh * kw):
            _ = weights[tap * out.padded_channels]  # before the loop, where it may stay
        for p, length, times in runs(split(out.width, PIXELS if count == 1 else 6)):
            with b.loop(times) as k:
                j = k * length + p
                seen = _Held(px + (j * (sx * m.padded_channels) + c), lanes)
                to = py + (j * out.padded_channels + c)
                sums = {(q, r): start for q in range(count) for r in range(length)}
                for line in range(kh + count - 1):
                    for q in range(count):
                        u = line - q
                        for v in range(kw) if 0 <= u < kh else ():
                            weight = weights[(u * kw + v) * out.padded_channels]
                            for r in range(length):
                                column = (r * sx + v * dx) * m.padded_channels
                                value = seen[line * dy * m.row + column]
                                sums[q, r] = b.fma(value, weight, sums[q, r])
                for (q, r), total in sums.items():
                    at = q * out.row + r * out.padded_channels
                    to.store(apply(b, spec.function, total), at)


@kernel(grad_y="f32*", w="f32*", grad_x="f32*")
def depthwise_grad_input(
    b: Builder, grad_y: Pointer, w: Pointer, grad_x: Pointer, *, spec: Conv
) -> None:
    """grad_x[y, x, c] = or += Σ grad_y[i, j, c] · w[u, v, c] over y = i·s + u·d − top.

    ``w`` are the weights as they are; grad_y has the halo of `gradient_halo`. Rows go
    first, so that images are read and written as they lie.
    """
    (rows, columns), m = map(taps_of_axis, spec.axes), spec.x
    lanes, (sy, _) = lanes_for(b, m.padded_channels), spec.stride
    most = max(down.pixels for down in rows)
    with b.loop(most) as i:
        for down in rows:
            from_ = grad_y + (i * spec.y.row + spec.y.at(down.shift, 0))
            to = grad_x + (i * (sy * m.row) + m.at(down.remainder, 0))
            guard = b.when(i < down.pixels) if down.pixels < most else nullcontext()
            with guard, b.loop(m.padded_channels, step=lanes) as c:
                for across in columns:
                    places = from_ + c, w + c, to + c
                    _grad_input_of(b, places, spec, (down, across))


def _grad_input_of(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    spec: Conv,
    taps: tuple[Taps, Taps],
) -> None:
    """Make a row's pixels that leave one pair of remainders by the stride."""
    (grad_y, w, grad_x), (down, across) = places, taps
    m, g, sx = spec.x, spec.y, spec.stride[1]
    if spec.accumulate and not (down.count and across.count):
        return
    lanes = lanes_for(b, m.padded_channels)
    py = grad_y + across.shift * g.padded_channels
    px = grad_x + across.remainder * m.padded_channels
    for p, length, times in runs(split(across.pixels, PIXELS)):
        with b.loop(times) as k:
            j = k * length + p
            seen, to = (
                _Held(py + j * g.padded_channels, lanes),
                px + j * (sx * m.padded_channels),
            )
            sums = [
                to.vector(r * sx * m.padded_channels, lanes=lanes)
                if spec.accumulate
                else b.zeros(lanes)
                for r in range(length)
            ]
            weights = _Held(w, lanes)
            for u in range(down.count):
                for v in range(across.count):
                    row, column = down.first + u * down.step, across.first
                    column += v * across.step
                    weight = weights[
                        (row * spec.kernel[1] + column) * g.padded_channels
                    ]
                    for r in range(length):
                        at = (r - v * across.back) * g.padded_channels
                        at -= u * down.back * g.row
                        sums[r] = b.fma(seen[at], weight, sums[r])
            for r, total in enumerate(sums):
                to.store(total, r * sx * m.padded_channels)


@kernel(x="f32*", grad_y="f32*", grad_weight="f32*")
def depthwise_grad_weight(
    b: Builder, x: Pointer, grad_y: Pointer, grad_weight: Pointer, *, spec: Conv
) -> None:
    """grad_weight[u, v] += Σ x[i·s + u·d − top, j·s + v·d − left] · grad_y[i, j].

    Sums rest in grad_weight after some rows, so that images are read as they lie.
    """
    m, g = spec.x, spec.y
    (kh, kw), lanes = spec.kernel, lanes_for(b, spec.y.padded_channels)
    x, grad_y = x + m.at(-spec.top_left[0], -spec.top_left[1]), grad_y + g.at(0, 0)
    taps = [(u, v) for u in range(kh) for v in range(kw)]
    together = max(1, TOGETHER // (spec.stride[0] * m.row))
    with (
        b.loop(g.height, step=together) as begin,
        b.loop(g.padded_channels, step=lanes) as c,
    ):
        end = b.smaller(begin + together, g.height)
        for first, count in split(len(taps), b.registers - 7):
            part = taps[first : first + count]
            to = [grad_weight + (u * kw + v) * g.padded_channels + c for u, v in part]
            sums = [b.var(p.vector(lanes=lanes)) for p in to]
            with b.loop(end, start=begin) as i:
                px = x + i * (spec.stride[0] * m.row) + c
                py = grad_y + i * g.row + c
                for p, length, times in runs(split(g.width, PIXELS // 2)):
                    with b.loop(times) as k:
                        j = k * length + p
                        seen = _Held(
                            px + j * (spec.stride[1] * m.padded_channels), lanes
                        )
                        grads = _Held(py + j * g.padded_channels, lanes)
                        for r in range(length):
                            grad = grads[r * g.padded_channels]
                            for total, tap in zip(sums, part, strict=True):
                                value = seen[_offset(spec, tap, r)]
                                total.set(b.fma(value, grad, total.get()))
            for place, total in zip(to, sums, strict=True):
                place.store(total.get())


def _offset(spec: Conv, tap: tuple[int, int], column: int) -> int:
    """Return where a tap of an output lies, from the first tap of the first one."""
    (u, v), (dy, dx), m = tap, spec.dilation, spec.x
    return u * dy * m.row + (column * spec.stride[1] + v * dx) * m.padded_channels
