"""Gradient of a convolution with respect to its weights and bias."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import (
    Conv,
    ConvJoined,
    Images,
    Pair,
    each_group,
    most_rows,
    vector_runs,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.tile import Axis, lanes_for, runs, split, tile


@written_out
@kernel(x="f32*", grad_y="f32*", grad_weight="f32*")
def conv_grad_weight(
    b: Builder, x: Pointer, grad_y: Pointer, grad_weight: Pointer, *, spec: Conv
) -> None:
    """grad_weight[u, v, c, o] += Σ x[i·s + u·d − top, j·s + v·d − left, c] · grad_y."""
    _add(b, (x, grad_y, grad_weight), spec, None)


@written_out
@kernel(x="f32*", grad_y="f32*", grad_weight="f32*", images="n")
def conv_grad_weight_joined(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    images: Value,
    *,
    spec: ConvJoined,
) -> None:
    """`conv_grad_weight` of some images, whose sum is made in registers."""
    how = images, spec.x_next, spec.y_next
    _add(b, (x, grad_y, grad_weight), spec.conv, how)


def _add(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    spec: Conv,
    images: Images | None,
) -> None:
    x, grad_y, grad_weight = places
    lanes = lanes_for(b, spec.group_outputs)
    kw, (sy, sx), dy = spec.kernel[1], spec.stride, spec.dilation[0]
    m, out = spec.x, spec.y.padded_channels
    top, left = spec.top_left
    x, grad_y = x + m.at(-top, -left), grad_y + spec.y.at(0, 0)
    axes = [
        Axis(spec.y.height, sy * m.row, spec.y.row),
        Axis(spec.y.width, sx * m.padded_channels, spec.y.padded_channels),
    ]
    if images:
        axes.insert(0, Axis(*images))
    vectors = spec.group_outputs // lanes
    for g in each_group(b, spec.groups):
        gx, go = x + g * spec.rows, g * spec.group_outputs
        for v, width, many in vector_runs(b, vectors, kw * spec.rows):
            tiles = _weight_tiles(spec, most_rows(b, width))
            with b.loop(many) as block, b.loop(tiles.lines) as u:
                o = (block * width + v) * lanes + go
                px = gx + u * (dy * m.row)
                pw = grad_weight + u * (kw * spec.rows * out) + o
                for cells, times, (x_step, w_step) in tiles.runs:
                    with b.loop(times) as k:
                        to = pw + k * (w_step * out)
                        sums = tile(
                            b,
                            px + k * x_step,
                            grad_y + o,
                            rows=[at for at, _ in cells],
                            vectors=width,
                            axes=axes,
                            lanes=lanes,
                            start=[
                                [
                                    to.vector(row * out + n * lanes, lanes=lanes)
                                    for n in range(width)
                                ]
                                for _, row in cells
                            ],
                        )
                        for (_, row), totals in zip(cells, sums, strict=True):
                            for n, value in enumerate(totals):
                                to.store(value, row * out + n * lanes)


@dataclass(frozen=True, slots=True)
class _Tiles:
    """How the rows of a weight's derivative are cut into tiles.

    ``lines`` times, from one row of the kernel to the next; each run is the cells of
    its first tile as (place in x, row of the weights), how many tiles follow each
    other, and how far apart they lie in both.
    """

    lines: int
    runs: list[tuple[list[Pair], int, Pair]]


def _weight_tiles(spec: Conv, most: int) -> _Tiles:
    (kh, kw), (dy, dx), m = spec.kernel, spec.dilation, spec.x
    true = m.channels if spec.groups == 1 else spec.rows

    def cells(lines: int) -> list[Pair]:
        return [
            (
                u * dy * m.row + v * dx * m.padded_channels + c,
                (u * kw + v) * spec.rows + c,
            )
            for u in range(lines)
            for v in range(kw)
            for c in range(true)
        ]

    if kh * kw * true <= most:  # one tile, whose sums hide each other's latency
        return _Tiles(1, [(cells(kh), 1, (0, 0))])
    if kw * true <= 3 * most and (dx > 1 or true < spec.rows):
        every = cells(1)
        cuts = split(len(every), most)
        return _Tiles(kh, [(every[p : p + n], 1, (0, 0)) for p, n in cuts])
    is_joined = dx == 1 and spec.groups == 1  # a kernel row is one run of memory
    length, columns = (kw * spec.rows, 1) if is_joined else (spec.rows, kw)
    return _Tiles(
        kh,
        [
            ([(at + p + r, at_w + p + r) for r in range(size)], times, (size, size))
            for at, at_w in (
                (v * dx * m.padded_channels, v * spec.rows) for v in range(columns)
            )
            for p, size, times in runs(split(length, most))
        ],
    )


@kernel(grad_y="f32*", grad_bias="f32*")
def conv_grad_bias(
    b: Builder, grad_y: Pointer, grad_bias: Pointer, *, spec: ImageLayout
) -> None:
    """grad_bias[o] += Σ grad_y[i, j, o]."""
    lanes = lanes_for(b, spec.padded_channels)
    with b.loop(spec.padded_channels // lanes) as v:
        to = grad_bias + v * lanes
        total = b.var(to.vector(lanes=lanes))
        with b.loop(spec.height) as i:
            row = grad_y + spec.at(0, 0) + i * spec.row + v * lanes
            partial = b.var(b.zeros(lanes))
            with b.loop(spec.width) as j:
                partial.add((row + j * spec.padded_channels).vector(lanes=lanes))
            total.add(partial.get())
        to.store(total.get())
