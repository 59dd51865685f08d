"""What AMX tiles cannot multiply: convolutions whose sums are infinite or NaN.

An infinite number has no parts, and every sum that it meets on AMX becomes NaN. Such
sums are found before anything is stored, and made again by vectors of outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, fields

from pellucid.engines.compiled.codegen import (
    Builder,
    Number,
    Pointer,
    Value,
    kernel,
    sized,
    written_out,
)
from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.elementwise.activation import Function, apply


@dataclass(frozen=True, slots=True)
class Plain:
    """A convolution whose pixels are counted with ``width`` to a row.

    Those beyond the width of y are left out.
    """

    conv: Conv
    width: int


@dataclass(frozen=True, slots=True)
class PlainForm:
    """The same for any size."""

    width: Number
    channels: Number
    outputs: Number
    taps: Number
    across: Number
    weight_tap: Number
    x_row: Number
    x_column: Number
    x_down: Number
    x_right: Number
    y_row: Number
    y_height: Number
    y_width: Number
    has_bias: bool
    accumulate: bool
    function: Function | None


def _form(b: Builder, spec: Plain | PlainForm) -> PlainForm:
    del b
    if isinstance(spec, PlainForm):  # a kernel's that has any size itself
        names = (field.name for field in fields(PlainForm))
        return PlainForm(**{name: getattr(spec, name) for name in names})
    return plain_form(spec)


def plain_form(spec: Plain) -> PlainForm:
    """Return a convolution's numbers."""
    conv, x, y = spec.conv, spec.conv.x, spec.conv.y
    return PlainForm(
        width=spec.width,
        channels=x.channels,
        outputs=y.padded_channels,
        taps=conv.kernel[0],
        across=conv.kernel[1],
        weight_tap=x.padded_channels * y.padded_channels,
        x_row=conv.stride[0] * x.row,
        x_column=conv.stride[1] * x.column,
        x_down=conv.dilation[0] * x.row,
        x_right=conv.dilation[1] * x.column,
        y_row=y.row,
        y_height=y.height,
        y_width=y.width,
        has_bias=conv.has_bias,
        accumulate=conv.accumulate,
        function=conv.function,
    )


def are_finite(
    b: Builder,
    sums: Pointer,
    rows: Number,
    columns: Number,
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


def finish(
    b: Builder, conv: Conv | PlainForm, value: Value, bias: Pointer, y: Pointer
) -> None:
    """y = f(value + bias), or f(y + value + bias) where the convolution adds."""
    if conv.has_bias:
        value = value + bias.vector()
    if conv.accumulate:
        value = y.vector() + value
    y.store(apply(b, conv.function, value))


@sized(_form)
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
    spec: PlainForm,
) -> None:
    """Make outputs [first, last) of some pixels, one after the other.

    ``x`` is where the first pixel's window begins, ``y`` where the first pixel lies.
    """
    n = spec.outputs
    with b.loop(count) as r:
        pixel = begin + r
        i, j = pixel // spec.width, pixel % spec.width
        row = x + (i * spec.x_row + j * spec.x_column)
        to = y + (i * spec.y_row + j * n)
        is_inside = (j < spec.y_width) & (i < spec.y_height)
        with b.when(is_inside), b.loop(last, start=first, step=b.lanes) as o:
            total = b.var(b.zeros())
            with b.loop(spec.taps) as u, b.loop(spec.across) as v:
                seen = row + (u * spec.x_down + v * spec.x_right)
                tap = w + ((u * spec.across + v) * spec.weight_tap + o)
                with b.loop(spec.channels) as c:
                    weight = (tap + c * n).vector()
                    total.set(b.fma(seen.splat(c), weight, total.get()))
            finish(b, spec, total.get(), bias + o, to + o)
