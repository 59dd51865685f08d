"""What AMX tiles cannot multiply: convolutions whose sums are infinite or NaN.

An infinite number has no parts, and every sum that it meets on AMX becomes NaN. Such
sums are found before anything is stored, and made again by vectors of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.activation import apply


@dataclass(frozen=True, slots=True)
class Plain:
    """A convolution whose pixels are counted with ``width`` to a row.

    Those beyond the width of y are left out.
    """

    conv: Conv
    width: int


def are_finite(
    b: Builder,
    sums: Pointer,
    rows: Number,
    columns: int,
    kept: Callable[[Value], Value] | None = None,
) -> tuple[Value, Value]:
    """Return whether all ``rows · columns`` sums are finite, and whether some are not.

    Rows that are not ``kept`` do not count.
    """
    seen = b.var(b.zeros())
    with (
        b.loop(rows) as r,
        b.when(kept(r)) if kept else nullcontext(),
        b.loop(columns, step=b.lanes) as o,
    ):
        seen.add((sums + r * columns).vector(o) * 0.0)
    total = b.total(seen.get())  # 0 or NaN
    return total >= 0.0, total.is_nan()


def finish(b: Builder, conv: Conv, value: Value, bias: Pointer, y: Pointer) -> None:
    """y = f(value + bias), or f(y + value + bias) where the convolution adds."""
    if conv.has_bias:
        value = value + bias.vector()
    if conv.accumulate:
        value = y.vector() + value
    y.store(apply(b, conv.function, value))


@written_out
@kernel(
    x="f32*",
    w="f32*",
    bias="f32*",
    y="f32*",
    begin="n",
    count="n",
    first="n",
    last="n",
)
def conv_plain(
    b: Builder,
    x: Pointer,
    w: Pointer,
    bias: Pointer,
    y: Pointer,
    begin: Value,
    count: Value,
    first: Value,
    last: Value,
    *,
    spec: Plain,
) -> None:
    """Make outputs [first, last) of some pixels, one after the other.

    ``x`` is where the first pixel's window begins, ``y`` where the first pixel lies.
    """
    conv, m, out = spec.conv, spec.conv.x, spec.conv.y
    channels, n = m.channels, out.padded_channels
    with b.loop(count) as r:
        pixel = begin + r
        i, j = pixel // spec.width, pixel % spec.width
        down, right = conv.stride[0] * m.row, conv.stride[1] * m.padded_channels
        row = x + (i * down + j * right)
        to = y + (i * out.row + j * n)
        is_inside = (j < out.width) & (i < out.height)
        with b.when(is_inside), b.loop(last, start=first, step=b.lanes) as o:
            total = b.var(b.zeros())
            with b.loop(conv.kernel[0]) as u, b.loop(conv.kernel[1]) as v:
                across = v * (conv.dilation[1] * m.padded_channels)
                seen = row + (u * (conv.dilation[0] * m.row) + across)
                tap = w + ((u * conv.kernel[1] + v) * (m.padded_channels * n) + o)
                with b.loop(channels) as c:
                    weight = (tap + c * n).vector()
                    total.set(b.fma(seen.splat(c), weight, total.get()))
            finish(b, conv, total.get(), bias + o, to + o)
