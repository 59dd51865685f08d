"""Gradient of a convolution with respect to its input.

Weights are turned for it: [kernel_h][kernel_w][output channels][input channels].
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import (
    Conv,
    ConvJoined,
    Images,
    Side,
    each_group,
    row_runs,
    vector_runs,
)
from pellucid.engines.compiled.kernels.layout import Halo
from pellucid.engines.compiled.kernels.tile import Axis, lanes_for, tile
from pellucid.engines.compiled.kernels.transpose import square

# Gathering: pixels of dx whose row and column leave the same
# remainder by the stride see the same taps of the kernel.


@dataclass(frozen=True, slots=True)
class Taps:
    """The taps of one axis that reach pixels with one remainder by the stride.

    ``first`` and ``step`` say which; pixel number a of that remainder (pixel ``a ·
    stride + remainder``) meets output ``a + shift`` through the first of them and
    ``back`` outputs less through each following one.
    """

    remainder: int
    pixels: int
    first: int
    count: int
    step: int
    shift: int
    back: int


def taps_of_axis(side: Side) -> list[Taps]:
    """Return the taps for each remainder by the stride."""
    size, kernel, pad = side.size, side.kernel, side.pad
    stride, dilation = side.stride, side.dilation
    found = []
    for remainder in range(min(stride, size)):
        pixels = (size - remainder + stride - 1) // stride
        taps = [
            u for u in range(kernel) if (remainder + pad - u * dilation) % stride == 0
        ]
        if not taps:
            found.append(Taps(remainder, pixels, 0, 0, 1, 0, 0))
            continue
        step = taps[1] - taps[0] if len(taps) > 1 else 1
        shift = (remainder + pad - taps[0] * dilation) // stride
        back = step * dilation // stride
        found.append(Taps(remainder, pixels, taps[0], len(taps), step, shift, back))
    return found


def gradient_halo(spec: Conv) -> Halo:
    """Return the zeros that the derivative by y needs around it."""
    halo = []
    for axis in spec.axes:
        low = high = 0
        for taps in taps_of_axis(axis):
            if taps.count:
                low = max(low, (taps.count - 1) * taps.back - taps.shift)
                high = max(high, taps.pixels - 1 + taps.shift - (axis.outputs - 1))
        halo.append((low, high))
    return halo[0], halo[1]


@written_out
@kernel(grad_y="f32*", turned="f32*", grad_x="f32*")
def conv_grad_input(
    b: Builder, grad_y: Pointer, turned: Pointer, grad_x: Pointer, *, spec: Conv
) -> None:
    """grad_x[y, x, c] = or += Σ grad_y[i, j, o] · w[u, v, c, o]; y = i·s + u·d − t."""
    rows, columns = map(taps_of_axis, spec.axes)
    for down in rows:
        for across in columns:
            _grad_input_of(b, (grad_y, turned, grad_x), spec, (down, across), None)


@written_out
@kernel(grad_y="f32*", turned="f32*", grad_x="f32*", images="n")
def conv_grad_input_joined(
    b: Builder,
    grad_y: Pointer,
    turned: Pointer,
    grad_x: Pointer,
    images: Value,
    *,
    spec: ConvJoined,
) -> None:
    """`conv_grad_input` of some images, which read each panel of weights together."""
    rows, columns = map(taps_of_axis, spec.conv.axes)
    places, how = (grad_y, turned, grad_x), (images, spec.x_next, spec.y_next)
    for down in rows:
        for across in columns:
            _grad_input_of(b, places, spec.conv, (down, across), how)


def _each_image(b: Builder, images: Images | None) -> AbstractContextManager[Number]:
    """Return a loop over the images, or one turn without code."""
    return b.loop(images[0]) if images else nullcontext(0)


def _grad_input_of(
    b: Builder,
    places: tuple[Pointer, Pointer, Pointer],
    spec: Conv,
    taps: tuple[Taps, Taps],
    images: Images | None,
) -> None:
    (grad_y, turned, grad_x), (down, across) = places, taps
    m, g_map, (sy, sx) = spec.x, spec.y, spec.stride
    outputs = spec.y.channels // spec.groups
    lanes = lanes_for(b, spec.rows)
    per_tap = spec.y.channels * spec.rows
    first = (down.first * spec.kernel[1] + across.first) * per_tap
    axes = [
        Axis(down.count, -down.back * g_map.row, down.step * spec.kernel[1] * per_tap),
        Axis(across.count, -across.back * g_map.padded_channels, across.step * per_tap),
        Axis(outputs, 1, spec.rows),
    ]
    is_empty = down.count == 0 or across.count == 0
    if is_empty and spec.accumulate:
        return
    source = grad_y + g_map.at(down.shift, across.shift)
    target = grad_x + m.at(down.remainder, across.remainder)
    for g in each_group(b, spec.groups):
        for v, width, many in vector_runs(b, spec.rows // lanes, across.pixels):
            with (
                b.loop(many) as block,
                _each_image(b, images) as image,
                b.loop(down.pixels) as i,
            ):
                c = (block * width + v) * lanes
                py = source + i * g_map.row + g * outputs
                px = target + i * (sy * m.row) + g * spec.rows + c
                if images:
                    px, py = px + image * images[1], py + image * images[2]
                pw = turned + first + g * (outputs * spec.rows) + c
                for p, length, times in row_runs(b, across.pixels, width):
                    with b.loop(times) as j:
                        at = j * length + p
                        to = px + at * (sx * m.padded_channels)
                        offsets = [r * sx * m.padded_channels for r in range(length)]
                        start = [
                            [
                                to.vector(offset + k * lanes, lanes=lanes)
                                if spec.accumulate
                                else b.zeros(lanes)
                                for k in range(width)
                            ]
                            for offset in offsets
                        ]
                        sums = (
                            start
                            if is_empty
                            else tile(
                                b,
                                py + at * g_map.padded_channels,
                                pw,
                                rows=[r * g_map.padded_channels for r in range(length)],
                                vectors=width,
                                axes=axes,
                                lanes=lanes,
                                start=start,
                            )
                        )
                        for offset, row in zip(offsets, sums, strict=True):
                            for k, value in enumerate(row):
                                to.store(value, offset + k * lanes)


@dataclass(frozen=True, slots=True)
class TurnForm:
    """Weights [tap][row][out], and whether they are squares of vectors."""

    taps: Number
    rows: Number
    out: Number
    outputs: Number
    is_square: bool


def _turn_form(b: Builder, spec: Conv) -> TurnForm:
    rows, outputs = spec.rows, spec.y.channels
    return TurnForm(
        taps=spec.kernel[0] * spec.kernel[1],
        rows=rows,
        out=spec.y.padded_channels,
        outputs=outputs,
        is_square=spec.groups == 1 and rows % b.lanes == outputs % b.lanes == 0,
    )


@sized(_turn_form)
@written_out
@kernel(w="f32*", turned="f32*")
def conv_turn_weight(
    b: Builder, w: Pointer, turned: Pointer, *, spec: TurnForm
) -> None:
    """turned[u, v, o, c] = w[u, v, c, o], group by group."""
    rows, out, outputs, lanes = spec.rows, spec.out, spec.outputs, b.lanes
    if spec.is_square:
        with (
            b.loop(spec.taps) as tap,
            b.loop(rows, step=lanes) as c,
            b.loop(outputs, step=lanes) as o,
        ):
            at = w + (tap * (rows * out) + c * out + o)
            to = turned + (tap * (rows * outputs) + o * rows + c)
            block = [at.vector(r * out) for r in range(lanes)]
            for r, row in enumerate(square(b, block)):
                to.store(row, r * rows)
        return
    with b.loop(spec.taps) as tap, b.loop(outputs) as o, b.loop(rows) as c:
        value = (w + tap * (rows * out)).load(c * out + o)
        (turned + tap * (rows * outputs)).store(value, o * rows + c)


@sized(_turn_form)
@kernel(turned="f32*", w="f32*")
def conv_unturn_weight(
    b: Builder, turned: Pointer, w: Pointer, *, spec: TurnForm
) -> None:
    """w[u, v, c, o] = turned[u, v, o, c], group by group; undoes conv_turn_weight."""
    rows, out, outputs = spec.rows, spec.out, spec.outputs
    with b.loop(spec.taps) as tap, b.loop(outputs) as o, b.loop(rows) as c:
        value = (turned + tap * (rows * outputs)).load(o * rows + c)
        (w + tap * (rows * out)).store(value, c * out + o)
