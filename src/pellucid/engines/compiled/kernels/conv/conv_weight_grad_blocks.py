"""Gradient of a convolution's weights over blocks of pixels that lie side by side.

In an image, neighbouring pixels are a whole pixel apart: with 512 channels 2 KiB, so
that all their lines compete for two sets of the first cache. Some rows of pixels, of
several images where these are small, are therefore copied first: grad_y in panels of
outputs, x in vectors of channels, so that a register tile reads two runs of memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.tile import Axis, part_runs, split, tile

#: pixels of a block, about: four vectors of each stay in the first cache
PIXELS = 128


@dataclass(frozen=True, slots=True)
class Blocks:
    """A convolution of images that lie ``x_next`` and ``y_next`` elements apart."""

    conv: Conv
    lanes: int
    registers: int
    x_next: int
    y_next: int

    @property
    def rows(self) -> int:
        """Rows of pixels of a block."""
        return max(1, PIXELS // self.conv.y.width)

    @property
    def plane(self) -> int:
        """Elements of one vector of all pixels of a block."""
        return self.rows * self.conv.y.width * self.lanes

    @property
    def tile(self) -> tuple[int, int]:
        """Input channels and vectors of outputs of the register tile."""
        is_large = self.registers > 16
        return min(8 if is_large else 4, self.lanes), 3 if is_large else 2

    @property
    def panels(self) -> list[tuple[int, int]]:
        """Vectors of outputs of each panel: (first, how many)."""
        return split(self.conv.y.padded_channels // self.lanes, self.tile[1])


def blocks_fit(conv: Conv, lanes: int) -> bool:
    """Return whether the kernel computes a gradient, and gains by copying."""
    x, y = conv.x.padded_channels, conv.y.padded_channels
    is_whole = x % lanes == y % lanes == 0
    return conv.groups == 1 and conv.kernel == (1, 1) and is_whole


def blocks_size(spec: Blocks) -> int:
    """Return how many elements of scratch a block takes."""
    conv = spec.conv
    vectors = (conv.x.padded_channels + conv.y.padded_channels) // spec.lanes
    return vectors * spec.plane


@written_out
@kernel(x="f32*", grad_y="f32*", grad_weight="f32*", scratch="f32*", images="n")
def conv_grad_weight_blocks(
    b: Builder,
    x: Pointer,
    grad_y: Pointer,
    grad_weight: Pointer,
    scratch: Pointer,
    images: Value,
    *,
    spec: Blocks,
) -> None:
    """grad_weight[u, v, c, o] += Σ x[i·s + u·d − top, j·s + v·d − left, c] · grad_y."""
    conv, lanes = spec.conv, spec.lanes
    m, g, (kh, kw) = conv.x, conv.y, conv.kernel
    x = x + m.at(-conv.top_left[0], -conv.top_left[1])
    grad_y, out = grad_y + g.at(0, 0), g.padded_channels
    grads = scratch + m.padded_channels // lanes * spec.plane
    total = images * g.height
    with b.loop(total, step=spec.rows) as first:
        count = b.smaller(total - first, spec.rows)
        with b.loop(count) as r:
            image, i = (first + r) // g.height, (first + r) % g.height
            at = grad_y + (image * spec.y_next + i * g.row)
            for o, width in part_runs(b, spec.panels, None):
                to = grads + (o * spec.plane + r * (g.width * width * lanes))
                _copy(b, at + o * lanes, to, (g.width, out, width, lanes))
        with b.loop(kh) as u, b.loop(kw) as v:
            with b.loop(count) as r:
                image, i = (first + r) // g.height, (first + r) % g.height
                row = i * conv.stride[0] + u * conv.dilation[0]
                column = v * (conv.dilation[1] * m.padded_channels)
                at = x + (image * spec.x_next + row * m.row + column)
                step = conv.stride[1] * m.padded_channels
                with b.loop(m.padded_channels // lanes) as c:
                    to = scratch + (c * spec.plane + r * (g.width * lanes))
                    _copy(b, at + c * lanes, to, (g.width, step, 1, lanes))
            to = grad_weight + (u * kw + v) * (conv.rows * out)
            _add(b, (scratch, grads, to), spec, count * g.width)


def _copy(b: Builder, x: Pointer, to: Pointer, how: tuple[int, int, int, int]) -> None:
    """Copy ``width`` vectors of each of some pixels, ``step`` apart, side by side."""
    pixels, step, width, lanes = how
    with b.loop(pixels) as j:
        for v in range(width):
            value = (x + j * step).vector(v * lanes, lanes=lanes)
            (to + j * (width * lanes)).store(value, v * lanes)


def _add(
    b: Builder, places: tuple[Pointer, Pointer, Pointer], spec: Blocks, pixels: Value
) -> None:
    """Add the products over a block's pixels to the gradient of one tap."""
    (x, grads, to), lanes = places, spec.lanes
    out, rows = spec.conv.y.padded_channels, spec.tile[0]
    for o, width in part_runs(b, spec.panels, None):
        with b.loop(spec.conv.x.padded_channels, step=rows) as c:
            place = to + (c * out + o * lanes)
            start = [
                [place.vector(r * out + v * lanes, lanes=lanes) for v in range(width)]
                for r in range(rows)
            ]
            sums = tile(
                b,
                x + (c // lanes * spec.plane + c % lanes),
                grads + o * spec.plane,
                rows=list(range(rows)),
                vectors=width,
                axes=[Axis(pixels, lanes, width * lanes)],
                lanes=lanes,
                start=start,
            )
            for r, totals in enumerate(sums):
                for v, value in enumerate(totals):
                    place.store(value, r * out + v * lanes)
