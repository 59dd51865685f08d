"""Gradient of a convolution with respect to its input, by scattering.

`conv_grad_input` gathers: every input pixel asks the outputs that saw it, those beyond
the border too. Here every output adds to its whole window. Neighbouring pixels of the
window lie side by side, so vectors are full where the channels alone would not fill
them, and no zeros around the outputs are read. A window must lie inside the image.
"""

from __future__ import annotations

from itertools import product

from pellucid.engines.compiled.codegen import Builder, Pointer, kernel
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import split


def scatter_pays(spec: Conv, lanes: int) -> bool:
    """Return whether windows lie inside and take fewer multiply-adds of vectors."""
    (kh, kw), (sy, sx), x, y = spec.kernel, spec.stride, spec.x, spec.y
    is_inside = all(axis.pad == 0 and axis.reach <= 0 for axis in spec.axes)
    if spec.groups > 1 or spec.dilation[1] > 1 or not is_inside:
        return False
    gathered = x.height * x.width / (sy * sx) * kh * kw * -(-spec.rows // lanes)
    spread = y.height * y.width * kh * -(-kw * spec.rows // lanes)
    return spread < 0.8 * gathered


def _line(spec: Conv, lanes: int) -> int:
    """Return how far the weights of two rows of a window lie apart."""
    return padded(spec.kernel[1] * spec.rows, lanes)


def scatter_weight_size(spec: Conv, lanes: int) -> int:
    """Return how many numbers the turned weights have."""
    return spec.y.channels * spec.kernel[0] * _line(spec, lanes)


@kernel(w="f32*", turned="f32*")
def scatter_weight(b: Builder, w: Pointer, turned: Pointer, *, spec: Conv) -> None:
    """turned[o, u, v · channels + c] = w[u, v, c, o]; a row of a window is one run."""
    line, (kh, kw) = _line(spec, b.lanes), spec.kernel
    with b.loop(spec.y.channels) as o, b.loop(kh) as u, b.loop(kw * spec.rows) as k:
        value = (w + u * (kw * spec.rows * spec.y.padded_channels)).load(
            k * spec.y.padded_channels + o
        )
        (turned + (o * kh + u) * line).store(value, k)


@kernel(grad_y="f32*", turned="f32*", grad_x="f32*")
def scatter_input_grad(
    b: Builder, grad_y: Pointer, turned: Pointer, grad_x: Pointer, *, spec: Conv
) -> None:
    """grad_x[i·s + u·d, j·s + v, c] = or += Σ grad_y[i, j, o] · w[u, v, c, o]."""
    m, out, (sy, sx) = spec.x, spec.y, spec.stride
    if not spec.accumulate:
        for start, lanes, many in spans(m.size, b.lanes):
            with b.loop(many) as k:
                grad_x.store(b.zeros(lanes), k * lanes + start)
    pieces = list(product(range(spec.kernel[0]), _cuts(spec, b.lanes)))
    for first, length in split(len(pieces), b.registers - 4):
        with b.loop(out.height) as i, b.loop(out.width) as j:
            py = grad_y + out.at(0, 0) + i * out.row + j * out.padded_channels
            px = grad_x + m.at(0, 0) + i * (sy * m.row) + j * (sx * m.padded_channels)
            _window(b, (py, turned, px), pieces[first : first + length], spec)


Piece = tuple[int, tuple[int, int]]


def _cuts(spec: Conv, lanes: int) -> list[tuple[int, int]]:
    """Cut a row of a window into vectors: [(first, lanes)]."""
    return [
        (start + k * width, width)
        for start, width, many in spans(spec.kernel[1] * spec.rows, lanes)
        for k in range(many)
    ]


def _window(
    b: Builder, at: tuple[Pointer, Pointer, Pointer], pieces: list[Piece], spec: Conv
) -> None:
    """Add one output's part to these pieces of its window."""
    py, turned, px = at
    line, (dy, _) = _line(spec, b.lanes), spec.dilation
    places = [px + (u * dy * spec.x.row + start) for u, (start, _) in pieces]
    sums = [
        b.var(place.vector(lanes=lanes))
        for place, (_, (_, lanes)) in zip(places, pieces, strict=True)
    ]
    with b.loop(spec.y.channels) as o:
        weights, grad = turned + o * (spec.kernel[0] * line), py.load(o)
        for total, (u, (start, lanes)) in zip(sums, pieces, strict=True):
            w = weights.vector(u * line + start, lanes=lanes)
            total.set(b.fma(b.splat(grad, lanes), w, total.get()))
    for place, total in zip(places, sums, strict=True):
        place.store(total.get())
