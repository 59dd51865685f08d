"""Convolution, bias, ReLU and 2×2 max-pool fused into one kernel.

The convolution's output never reaches memory: the four cells of a window stay in
registers, and only the largest is stored, with a code of one byte that says which
cell it was. Where the weights of all taps fit into registers (few input channels) they
stay there along a row of windows; else windows are tiles, as in every convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.pool.pool_epilogue import pool_window
from pellucid.engines.compiled.kernels.tile import Axis, lanes_for, runs, split, tile

#: the cells of a window, row by row
CELLS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, slots=True)
class ConvPool:
    """A convolution whose output is pooled by 2×2 windows, two apart.

    Attributes
    ----------
    conv : Conv
        Its y says how large the convolution's output would be.
    y : Map
        The pooled output, floor(height / 2) × floor(width / 2).
    keeps_codes : bool
        Whether codes are written, [height][width][stored] of y without sides.
    """

    conv: Conv
    y: ImageLayout
    keeps_codes: bool = True


def conv_pool_fits(conv: Conv) -> bool:
    """Return whether the kernel computes this convolution.

    Groups would leave vectors half empty, and functions other than ReLU do not keep
    the order or have a derivative that the codes do not tell.
    """
    keeps_order = conv.function is None or conv.function.kind == "relu"
    return conv.groups == 1 and keeps_order and min(conv.y.height, conv.y.width) > 1


@kernel(x="f32*", w="f32*", bias="f32*", y="f32*", codes="i8*")
def conv_pool_forward(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    codes: Pointer,
    *,
    spec: ConvPool,
) -> None:
    """y[i, j, o] = f(bias[o] + the largest of the convolution in window i, j)."""
    conv = spec.conv
    x = x + conv.x.at(-conv.top_left[0], -conv.top_left[1])
    y = y + spec.y.at(0, 0)
    vectors = _held_vectors(b, conv)
    if vectors:
        _with_held_weights(b, (x, w, bias, y, codes), spec, vectors)
    else:
        _with_tiles(b, (x, w, bias, y, codes), spec)


@kernel(x="f32*", y="f32*", codes="i8*")
def pool_with_codes(
    b: Builder, x: Pointer, y: Pointer, codes: Pointer, *, spec: ConvPool
) -> None:
    """y[i, j, o] = f(the largest of x in window i, j), where x is a convolution's y."""
    m, y = spec.conv.y, y + spec.y.at(0, 0)
    with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
        at = x + (i * (2 * m.row) + j * (2 * m.padded_channels) + m.at(0, 0))
        for start, lanes, many in spans(m.padded_channels, b.lanes):
            with b.loop(many) as k:
                o = k * lanes + start
                cells = [
                    (at + (r * m.row + s * m.padded_channels)).vector(o, lanes=lanes)
                    for r, s in CELLS
                ]
                _store(b, cells, (y, y, codes), (i, j, o), spec)


Places = tuple[Pointer, Pointer, Pointer, Pointer, Pointer]


def _held_vectors(b: Builder, conv: Conv) -> int:
    """Return for how many vectors of outputs all weights fit into registers."""
    taps = conv.kernel[0] * conv.kernel[1] * conv.x.channels
    most = conv.y.padded_channels // lanes_for(b, conv.y.padded_channels)
    room = (b.registers - 2) // (taps + len(CELLS))
    fitting = [v for v in (1, 2, 3, 4) if most % v == 0 and v <= room]
    return max(fitting, default=0)


def _with_held_weights(
    b: Builder, places: Places, spec: ConvPool, vectors: int
) -> None:
    x, w, bias, y, codes = places
    conv, m = spec.conv, spec.conv.x
    lanes, (kh, kw), channels = (
        lanes_for(b, conv.y.padded_channels),
        conv.kernel,
        m.channels,
    )
    (sy, sx), (dy, dx) = conv.stride, conv.dilation
    patch: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
    for cell, (r, s) in enumerate(CELLS):
        for tap in range(kh * kw * channels):
            (u, v), c = divmod(tap // channels, kw), tap % channels
            place = (r * sy + u * dy, s * sx + v * dx, c)
            patch.setdefault(place, []).append((cell, tap))
    with b.loop(conv.y.padded_channels // (vectors * lanes)) as block:
        o = block * (vectors * lanes)
        held = [
            [(w + o).vector((tap // channels * m.padded_channels + tap % channels)
                            * conv.y.padded_channels + v * lanes, lanes=lanes)
             for v in range(vectors)]
            for tap in range(kh * kw * channels)
        ]  # fmt: skip
        with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
            at = x + (i * (2 * sy * m.row) + j * (2 * sx * m.padded_channels))
            sums: list[dict[int, Value]] = [{} for _ in CELLS]
            for place in sorted(patch):
                row, column, c = place
                number = at.splat(
                    row * m.row + column * m.padded_channels + c, lanes=lanes
                )
                for cell, tap in patch[place]:
                    for v in range(vectors):
                        old = sums[cell].get(v)
                        new = held[tap][v]
                        sums[cell][v] = (
                            number * new if old is None else b.fma(number, new, old)
                        )
            for v in range(vectors):
                cells = [row[v] for row in sums]
                _store(b, cells, (bias, y, codes), (i, j, o + v * lanes), spec)


def _with_tiles(b: Builder, places: Places, spec: ConvPool) -> None:
    x, w, bias, y, codes = places
    conv, m = spec.conv, spec.conv.x
    (sy, sx), lanes = conv.stride, lanes_for(b, conv.y.padded_channels)
    width, windows = _tile_shape(b, conv.y.padded_channels // lanes, spec.y.width)
    for v, vectors, many in runs(split(conv.y.padded_channels // lanes, width)):
        with b.loop(many) as block, b.loop(spec.y.height) as i:
            o = (block * vectors + v) * lanes
            px = x + i * (2 * sy * m.row)
            for p, length, times in runs(split(spec.y.width, windows)):
                with b.loop(times) as k:
                    j = k * length + p
                    sums = tile(
                        b,
                        px + j * (2 * sx * m.padded_channels),
                        w + o,
                        rows=[
                            r * sy * m.row + (2 * t + s) * sx * m.padded_channels
                            for t in range(length)
                            for r, s in CELLS
                        ],
                        vectors=vectors,
                        axes=_taps(conv),
                        lanes=lanes,
                    )
                    for t in range(length):
                        for c in range(vectors):
                            cells = [sums[4 * t + n][c] for n in range(4)]
                            at = (i, j + t, o + c * lanes)
                            _store(b, cells, (bias, y, codes), at, spec)


def _tile_shape(b: Builder, vectors: int, windows: int) -> tuple[int, int]:
    """Return (vectors, windows) of a tile: as many cells as registers hold."""
    room = b.registers - 2
    best, score = (1, 1), 0.0
    for v in range(1, min(vectors, 3) + 1):
        w = min((room - v) // (len(CELLS) * v), windows)
        if w < 1:
            continue
        pieces = -(-windows // w) * -(-vectors // v)
        w = -(-windows // -(-windows // w))
        cells = len(CELLS) * w
        value = 1.0 / (pieces * (cells * v + v + 0.35 * cells))
        if value > score:
            best, score = (v, w), value
    return best


def _taps(conv: Conv) -> list[Axis]:
    """Return the loops over a cell's taps: a kernel row is one run of memory."""
    (kh, kw), (dy, dx), m, out = (
        conv.kernel,
        conv.dilation,
        conv.x,
        conv.y.padded_channels,
    )
    down = Axis(kh, dy * m.row, kw * m.padded_channels * out)
    if dx == 1 and m.padded_channels == m.channels:
        return [down, Axis(kw * m.padded_channels, 1, out)]
    return [
        down,
        Axis(kw, dx * m.padded_channels, m.padded_channels * out),
        Axis(m.channels, 1, out),
    ]


def _store(
    b: Builder,
    cells: list[Value],
    places: tuple[Pointer, Pointer, Pointer],
    at: tuple[Value, Value, Number],
    spec: ConvPool,
) -> None:
    (bias, y, codes), (i, j, o), m = places, at, spec.y
    lanes = cells[0].type.count
    offset = bias.vector(o, lanes=lanes) if spec.conv.has_bias else None
    value, code = pool_window(b, cells, offset, spec.conv.function)
    (y + (i * m.row + j * m.padded_channels)).store(value, o)
    if spec.keeps_codes:
        (codes + (i * m.width + j) * m.padded_channels).store(code, o)
