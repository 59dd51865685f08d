"""Mask of windows that hold only zeros.

There its output is the bias exactly. An algorithm that computes many outputs together
leaves a rounding error of 1e-6 in its place, which would put it on either side of a
ReLU's corner; so such places are found beforehand.
"""

from __future__ import annotations

from pellucid.engines.compiled.codegen import (
    Builder,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.conv.vector_compress import bits_of
from pellucid.engines.compiled.kernels.layout import padded
from pellucid.engines.compiled.kernels.tile import Part, lanes_for

#: all bits of a float but its sign: −0 is zero too, NaN is not
MAGNITUDE = 0x7FFFFFFF


def row_size(conv: Conv) -> int:
    """Return how many numbers of ``seen`` belong to one row of outputs."""
    return padded(conv.y.width, 16)


def seen_size(conv: Conv) -> int:
    """Return how many numbers ``seen`` has: the outputs', then scratch."""
    return conv.y.height * row_size(conv) + _pixels(conv) + 16


def _pixels(conv: Conv) -> int:
    return (conv.y.height + conv.kernel[0] - 1) * _columns(conv)


def _columns(conv: Conv) -> int:
    """Return how many pixels of a row outputs look at, and what vectors read more."""
    return row_size(conv) + conv.kernel[1] - 1


@written_out
@kernel(x="f32*", seen="i32*")
def find_zeros(
    b: Builder, x: Pointer, seen: Pointer, *, spec: Conv, part: Part | None = None
) -> None:
    """seen[i, j] = −1, or 0 where the output (i, j) sees only zeros.

    The convolution has stride and dilation 1 and no groups. A part is some rows of
    outputs; neighbouring parts look at the rows of x between them both, and write the
    same numbers.
    """
    first, last = part or (0, spec.y.height)
    below = last + (spec.kernel[0] - 1)
    (kh, kw), m, y = spec.kernel, spec.x, spec.y
    pixels, columns = seen + y.height * row_size(spec), _columns(spec)
    x = x + m.at(-spec.top_left[0], -spec.top_left[1])
    with b.loop(below, start=first) as i, b.loop(y.width + kw - 1) as j:
        pixel = x + (i * m.row + j * m.padded_channels)
        pixels.store(_is_seen(b, pixel, m.padded_channels), i * columns + j)
    lanes = b.lanes
    with b.loop(last, start=first) as i, b.loop(y.width, step=lanes) as j:
        at = pixels + (i * columns + j)
        found = at.vector(lanes=lanes)
        for u in range(kh):
            for v in range(kw):
                found = found | at.vector(u * columns + v, lanes=lanes)
        seen.store(found, i * row_size(spec) + j)


def _is_seen(b: Builder, pixel: Pointer, channels: int) -> Value:
    """Return −1 if any channel of a pixel is not zero, else 0."""
    lanes = lanes_for(b, channels)
    numbers = pixel.cast("i32")
    found = numbers.vector(lanes=lanes)
    for c in range(lanes, channels, lanes):
        found = found | numbers.vector(c, lanes=lanes)
    magnitude = found & MAGNITUDE
    bits = bits_of(b, (magnitude > 0))
    return b.select(
        bits.equals(0), b.resize(b.i64(0), "i32"), b.resize(b.i64(-1), "i32")
    )


def where_seen(b: Builder, value: Value, seen: Pointer) -> Value:
    """Return a vector of an output's channels, or zeros where it sees only zeros."""
    lanes = value.type.count
    bits = b.bits(value, "i32") & seen.splat(lanes=lanes)
    return b.bits(bits, "f32")
