"""Integer convolutions of codes: dot products of bytes in register tiles.

Codes have no sign, so their products hold the zero point z as well::

    Σ (u − z) · w = Σ u · w − z · Σ w

whose last term depends on the weights alone and lies before them in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.kernels.quantized.code_scaling import (
    CodeScaling,
    Scaler,
)
from pellucid.engines.compiled.kernels.quantized.dot import (
    OFFSETS,
    PIECES,
    Dot,
    DotProduct,
)
from pellucid.engines.compiled.kernels.tile import (
    Axis,
    Part,
    lanes_for,
    runs,
    split,
    tile,
)

Array = npt.NDArray[Any]
Pair = tuple[int, int]
#: bytes that one dot product takes
WORD = 4
_LATENCY = 10  # dot products that must be under way
_MOST_VECTORS = 8
_DEPTHWISE_ROWS = 4


@dataclass(frozen=True, slots=True)
class CodeSums:
    """An integer convolution; x's halo holds codes of 0.

    ``dot`` is ``vnni`` or ``plain`` where ``is_depthwise``.

    Weights are int8, behind an integer of 32 bits for each output channel: words of
    four, [kernel_h][run of a row][output][4]. A run is a kernel's whole row where it is
    not dilated, else there is one for each of its pixels. Where each channel has a
    kernel of its own (``is_depthwise``) words are of four taps: [taps / 4][channel][4].
    """

    x: ImageLayout
    y: ImageLayout
    kernel: Pair
    stride: Pair
    dilation: Pair
    top_left: Pair
    is_depthwise: bool
    has_bias: bool
    dot: Dot
    scaling: CodeScaling

    @property
    def runs(self) -> int:
        """Runs of a kernel's row."""
        return 1 if self.dilation[1] == 1 else self.kernel[1]

    @property
    def words(self) -> int:
        """Words of a run."""
        length = self.kernel[1] // self.runs * self.x.padded_channels
        return ceil(length / WORD)

    @property
    def size(self) -> int:
        """Numbers of 32 bits that the weights take."""
        out = self.y.padded_channels
        taps = self.kernel[0] * self.kernel[1]
        count = (
            ceil(taps / WORD)
            if self.is_depthwise
            else (self.kernel[0] * self.runs * self.words)
        )
        return out * (1 + count)

    @property
    def taps(self) -> Iterator[int]:
        """Where each element of a kernel lies in x, from the first one on."""
        steps = self.dilation[0] * self.x.row, self.dilation[1] * self.x.padded_channels
        for u, v in product(*map(range, self.kernel)):
            yield u * steps[0] + v * steps[1]


def pack(weight: Array, spec: CodeSums, zero: int) -> Array:
    """Return weights [kernel_h, kernel_w, in, out], all padded, as they are read."""
    taken = zero - OFFSETS[spec.dot]
    correction = -taken * weight.sum((0, 1, 2), dtype=np.int64)
    out = weight.shape[3]
    if spec.is_depthwise:
        rows = weight.reshape(1, -1, out)
    else:
        rows = weight.reshape(spec.kernel[0] * spec.runs, -1, out)
    filled = np.pad(rows, ((0, 0), (0, -rows.shape[1] % WORD), (0, 0)))
    words = filled.reshape(len(rows), -1, WORD, out).swapaxes(2, 3).astype(np.int8)
    parts = correction.astype(np.int32), np.ascontiguousarray(words).ravel()
    return np.concatenate([part.view(np.float32) for part in parts])


@written_out
@kernel(x="i8*", weight="f32*", bias="f32*", factors="f32*", y="i8*")
def conv_codes(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    factors: Pointer,
    y: Pointer,
    *,
    spec: CodeSums,
    part: Part | None = None,
) -> None:
    """y = clip(round(factor · (x * w + bias))). A part is some rows of y."""
    m, out = spec.x, spec.y.padded_channels
    lanes = lanes_for(b, out)
    dots = DotProduct(b, spec.dot, lanes)
    words = weight.cast("i32")
    most = _tile_shape(b, dots, out // lanes, spec.y.width)
    first, last = part or (0, spec.y.height)

    def block(i: Value, j: Value, columns: int, channel: Value, vectors: int) -> None:
        step = spec.stride[1] * m.padded_channels
        corner = m.at(-spec.top_left[0], -spec.top_left[1])
        at = x + (i * (spec.stride[0] * m.row) + corner) + j * step
        starts = [
            start_of(b, (words, bias), channel + v * lanes, lanes, spec)
            for v in range(vectors)
        ]
        run = spec.words * out
        axes = [
            Axis(spec.kernel[0], spec.dilation[0] * m.row, spec.runs * run),
            Axis(spec.runs, spec.dilation[1] * m.padded_channels, run),
            Axis(spec.words, WORD, out),
        ]
        sums = tile(
            b,
            at,
            words + channel + out,
            rows=[r * step for r in range(columns)],
            vectors=vectors,
            axes=axes,
            lanes=lanes,
            start=[starts] * columns,
            spread=dots.spread,
            taken=dots.weights,
            multiply_add=dots.add,
        )
        to = y + (i * spec.y.row + spec.y.at(0, 0)) + j * out
        for v in range(vectors):
            scaler = Scaler(b, spec.scaling, factors, channel + v * lanes, lanes)
            for r, codes in enumerate(scaler([row[v] for row in sums])):
                place = to + (channel + v * lanes) + r * out
                place.store(b.resize(codes, "i8"))

    with b.loop(last, start=first) as i:
        _blocks(b, spec.y, most, lanes, lambda *at: block(i, *at))


def start_of(
    b: Builder,
    places: tuple[Pointer, Pointer],
    at: Value,
    lanes: int,
    spec: CodeSums,
) -> Value:
    """Return what sums begin with: what the zero point adds to them, and the bias."""
    words, bias = places
    start = words.vector(at, lanes=lanes)
    if spec.has_bias:
        start = start + bias.cast("i32").vector(at, lanes=lanes)
    return start


def _blocks(
    b: Builder,
    y: ImageLayout,
    most: Pair,
    lanes: int,
    body: Callable[[Value, int, Value, int], None],
) -> None:
    """Call body(first column, columns, first channel, vectors) for a row's tiles."""
    most_rows, most_vectors = most
    vectors = y.padded_channels // lanes
    for v, count, many in runs(split(vectors, most_vectors)):
        with b.loop(many) as k:
            channel = k * (count * lanes) + v * lanes
            for j, columns, times in runs(split(y.width, most_rows)):
                with b.loop(times) as at:
                    body(at * columns + j, columns, channel, count)


def _tile_shape(
    b: Builder, dots: DotProduct, vectors: int, width: int
) -> tuple[int, int]:
    """Return (columns, vectors) of the tile that takes least time."""
    pieces = PIECES[dots.dot]
    best, least = (1, 1), float("inf")
    for v in range(1, min(vectors, _MOST_VECTORS) + 1):
        room = max((b.registers - 2 - pieces * (v + 1)) // v, 1)
        for r in range(1, min(room, width) + 1):
            tiles = ceil(width / r) * ceil(vectors / v)
            time = max(r * v * pieces, r + v, _LATENCY) + 1
            if tiles * time < least:
                best, least = (r, v), tiles * time
    return best


@written_out
@kernel(x="i8*", weight="f32*", bias="f32*", factors="f32*", y="i8*")
def depthwise_codes(
    b: Builder,
    x: Pointer,
    weight: Pointer,
    bias: Pointer,
    factors: Pointer,
    y: Pointer,
    *,
    spec: CodeSums,
    part: Part | None = None,
) -> None:
    """The same where each channel has a kernel of its own: words are of four taps."""
    m, out = spec.x, spec.y.padded_channels
    lanes = lanes_for(b, out)
    dots = DotProduct(b, spec.dot, lanes)
    words, taps = weight.cast("i32"), list(spec.taps)
    step = spec.stride[1] * m.padded_channels
    first, last = part or (0, spec.y.height)

    def block(i: Value, j: Value, columns: int, channel: Value, vectors: int) -> None:
        corner = m.at(-spec.top_left[0], -spec.top_left[1])
        at = x + (i * (spec.stride[0] * m.row) + corner) + j * step + channel
        start = start_of(b, (words, bias), channel, lanes, spec)
        sums = [start] * columns
        for n in range(0, len(taps), WORD):
            group = words + (channel + out) + n // WORD * out
            weights = dots.weights(group.vector(lanes=lanes))
            for r in range(columns):
                places = [at + (r * step + tap) for tap in taps[n : n + WORD]]
                codes = _taps(dots, places)
                sums[r] = dots.add(codes, weights[: len(codes)], sums[r])
        to = y + (i * spec.y.row + spec.y.at(0, 0)) + j * out + channel
        scaler = Scaler(b, spec.scaling, factors, channel, lanes)
        for r, made in enumerate(scaler(sums)):
            (to + r * out).store(b.resize(made, "i8"))

    with b.loop(last, start=first) as i:
        _blocks(b, spec.y, (_DEPTHWISE_ROWS, 1), lanes, lambda *at: block(i, *at))


def _taps(dots: DotProduct, places: list[Pointer]) -> list[Value]:
    """Return the codes of up to four taps as words, or one vector for each."""
    b, lanes = dots.b, dots.lanes
    if dots.dot != "vnni" or len(places) == 1:
        return [b.resize(place.vector(lanes=lanes), "i32") for place in places]
    loaded = [place.vector(lanes=lanes) for place in places]
    loaded += [b.like(0, loaded[0])] * (WORD - len(places))
    side_by_side = list(range(2 * lanes))
    first, second = (b.shuffle(loaded[n], loaded[n + 1], side_by_side) for n in (0, 2))
    order = [tap * lanes + lane for lane in range(lanes) for tap in range(WORD)]
    return [b.view_as(b.shuffle(first, second, order), "i32")]
