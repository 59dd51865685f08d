"""Gradient with respect to the weights of a first convolution, behind a max-pool.

Where an image has few channels a patch is too short for lists. Windows are taken whole
instead: the code says which of its four cells gets the derivative, the others get zero,
and the sums of all taps stay in registers along the image.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, Var, kernel
from pellucid.engines.compiled.kernels.conv.sparse_weight_grad import Sparse
from pellucid.engines.compiled.kernels.pool.pool_epilogue import INACTIVE
from pellucid.engines.compiled.kernels.tile import lanes_for, split

#: a tap of the kernel: row, column, input channel
Tap = tuple[int, int, int]


@kernel(x="f32*", grad_y="f32*", codes="i8*", grad_weight="f32*", bias="f32*")
def conv_pool_weight_grad(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    codes: Pointer,
    grad_weight: Pointer,
    bias: Pointer,
    *,
    spec: Sparse,
) -> None:
    """grad_weight[u, v, c, o] += and bias[o] += over the cells that the codes name."""
    conv, g = spec.conv, spec.grad_y
    lanes = lanes_for(b, g.padded_channels)
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    taps = [
        (u, v, c)
        for u in range(conv.kernel[0])
        for v in range(conv.kernel[1])
        for c in range(conv.x.channels)
    ]
    vectors, most = _shape(b, len(taps), g.padded_channels // lanes)
    for number, (first, count) in enumerate(split(len(taps), most)):
        with b.loop(g.padded_channels, step=vectors * lanes) as o:
            places = (x, grad_y + o + g.at(0, 0), codes + o, grad_weight + o, bias + o)
            part = taps[first : first + count]
            _pass(b, places, part, (spec, vectors, number == 0))


def _shape(b: Builder, taps: int, vectors: int) -> tuple[int, int]:
    """Return (vectors of outputs, taps) whose sums registers hold together."""
    room = b.registers - 3
    for v in (2, 1):
        if vectors % v == 0 and v * (taps + 5) <= room:
            return v, taps
    return 1, room - 5


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer]


def _pass(
    b: Builder, places: Places, taps: list[Tap], how: tuple[Sparse, int, bool]
) -> None:
    """Add all windows' share of some taps, for some vectors of outputs."""
    (x, grad_y, codes, grad_weight, bias), (spec, vectors, has_bias) = places, how
    conv, g, m = spec.conv, spec.grad_y, spec.conv.x
    lanes = lanes_for(b, g.padded_channels)
    (sy, sx), (dy, dx), kw = conv.stride, conv.dilation, conv.kernel[1]
    seen: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for t, (u, v, c) in enumerate(taps):
        for cell in range(4):
            row, column = (cell >> 1) * sy + u * dy, (cell & 1) * sx + v * dx
            seen.setdefault((row, column * m.padded_channels + c), []).append((cell, t))
    to = [
        grad_weight + ((u * kw + v) * m.padded_channels + c) * conv.y.padded_channels
        for u, v, c in taps
    ]
    held = [
        [b.var(p.vector(k * lanes, lanes=lanes)) for k in range(vectors)] for p in to
    ]
    totals = [b.var(bias.vector(k * lanes, lanes=lanes)) for k in range(vectors)]
    with b.loop(g.height) as i, b.loop(g.width) as j:
        at = x + (i * (2 * sy * m.row) + j * (2 * sx * m.padded_channels))
        grad, code = (
            grad_y + (i * g.row + j * g.padded_channels),
            (i * g.width + j) * g.padded_channels,
        )
        cells = [
            _cells(b, grad, codes + code, (k * lanes, lanes), totals[k])
            for k in range(vectors)
        ]
        for (row, column), uses in sorted(seen.items()):
            number = at.splat(row * m.row + column, lanes=lanes)
            for cell, t in uses:
                for k in range(vectors):
                    sum_ = held[t][k]
                    sum_.set(b.fma(number, cells[k][cell], sum_.get()))
    for p, sums in zip(to, held, strict=True):
        for k in range(vectors):
            p.store(sums[k].get(), k * lanes)
    if has_bias:
        for k in range(vectors):
            bias.store(totals[k].get(), k * lanes)


def _cells(
    b: Builder, grad: Pointer, codes: Pointer, at: tuple[int, int], total: Var
) -> list[Value]:
    """Return the derivatives of a window's four cells, and add them to a total."""
    start, lanes = at
    value, code = grad.vector(start, lanes=lanes), codes.vector(start, lanes=lanes)
    zeros = b.zeros(lanes)
    total.add(b.select(code < INACTIVE, value, zeros))
    return [b.select(code.equals(cell), value, zeros) for cell in range(4)]
