"""Resize images by tables of taps: forward and backward pass."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Number, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.engines.compiled.kernels.layout import ImageLayout

#: numbers of an output in a table: the first input, the second, the second's share
ENTRY = 3
#: and of cubic polynomials: four inputs, and their shares
CUBIC_ENTRY = 8


@dataclass(frozen=True, slots=True)
class Resample:
    """The images; nearest neighbours have one tap, the first."""

    x: ImageLayout
    y: ImageLayout
    is_nearest: bool
    is_cubic: bool = False

    @property
    def entry(self) -> int:
        """Numbers of an output in a table."""
        return CUBIC_ENTRY if self.is_cubic else ENTRY


@kernel(place="f32*")
def write_numbers(b: Builder, place: Pointer, *, spec: tuple[float, ...]) -> None:
    """Write constants, one after the other."""
    del b
    for k, number in enumerate(spec):
        place.store(number, k)


@kernel(x="f32*", rows="f32*", columns="f32*", y="f32*")
def resize_forward(
    b: Builder,
    x: Pointer,
    rows: Pointer,
    columns: Pointer,
    y: Pointer,
    *,
    spec: Resample,
) -> None:
    """y[i, j] = Σ over the 1, 4 or 16 pixels of x that the tables name."""
    with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
        py = y + (i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0))
        entry = spec.entry
        around = _around(b, spec, (rows + i * entry, columns + j * entry))
        for start, lanes, many in spans(spec.x.padded_channels, b.lanes):
            with b.loop(many) as k:
                at = k * lanes + start
                total = b.zeros(lanes)
                for offset, share in around:
                    value = (x + offset).vector(at, lanes=lanes)
                    if share is None:
                        total = value
                    else:
                        total = b.fma(b.splat(share, lanes), value, total)
                py.store(total, at)


@kernel(grad_y="f32*", rows="f32*", columns="f32*", grad_x="f32*")
def resize_backward(
    b: Builder,
    grad_y: Pointer,
    rows: Pointer,
    columns: Pointer,
    grad_x: Pointer,
    *,
    spec: Resample,
) -> None:
    """grad_x at the pixels that the tables name += their share of grad_y[i, j]."""
    with b.loop(spec.y.height) as i, b.loop(spec.y.width) as j:
        py = grad_y + (i * spec.y.row + j * spec.y.padded_channels + spec.y.at(0, 0))
        entry = spec.entry
        around = _around(b, spec, (rows + i * entry, columns + j * entry))
        for start, lanes, many in spans(spec.x.padded_channels, b.lanes):
            with b.loop(many) as k:
                at = k * lanes + start
                grad = py.vector(at, lanes=lanes)
                for offset, share in around:
                    to = grad_x + offset
                    part = grad if share is None else grad * b.splat(share, lanes)
                    to.store(to.vector(at, lanes=lanes) + part, at)


def _around(
    b: Builder, spec: Resample, tables: tuple[Pointer, Pointer]
) -> list[tuple[Value, Value | None]]:
    """Return (offset in x, share) of the pixels that an output pixel is made of."""
    m = spec.x
    strides = m.row, m.padded_channels
    rows, columns = (
        [
            (b.i64(b.to_int(table.load(k))) * stride, _share(spec, table, k))
            for k in range(4 if spec.is_cubic else 2)
        ]
        for table, stride in zip(tables, strides, strict=True)
    )
    if spec.is_nearest:
        return [(rows[0][0] + columns[0][0] + m.at(0, 0), None)]
    return [(r + c + m.at(0, 0), p * q) for r, p in rows for c, q in columns]


def _share(spec: Resample, table: Pointer, k: int) -> Value:
    if spec.is_cubic:
        return table.load(4 + k)
    second = table.load(2)
    one: Number = 1.0
    return second if k else one - second
