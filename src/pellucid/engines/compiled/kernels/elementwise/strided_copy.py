"""Copy between two strided arrays: permuted, sliced, split and joined axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans
from pellucid.network.strided import Axis


@dataclass(frozen=True, slots=True)
class StridedCopy:
    """The axes that are walked, and the offsets of the first element."""

    axes: tuple[Axis, ...]
    from_at: int
    to_at: int
    accumulate: bool = False


@kernel(x="f32*", y="f32*")
def strided_copy(b: Builder, x: Pointer, y: Pointer, *, spec: StridedCopy) -> None:
    """y[to_at + Σ iₖ · y_strideₖ] = or += x[from_at + Σ iₖ · x_strideₖ]."""
    *outer, inner = loop_order(spec.axes)
    _copy(b, x + spec.from_at, y + spec.to_at, (outer, inner), spec.accumulate)


def _copy(
    b: Builder, x: Pointer, y: Pointer, axes: tuple[list[Axis], Axis], accumulate: bool
) -> None:
    outer, inner = axes
    if outer:
        size, dx, dy = outer[0]
        with b.loop(size) as i:
            _copy(b, x + i * dx, y + i * dy, (outer[1:], inner), accumulate)
        return
    size, dx, dy = inner
    if (dx, dy) == (1, 1):
        for start, lanes, many in spans(size, b.lanes):
            with b.loop(many) as k:
                at = k * lanes + start
                value = x.vector(at, lanes=lanes)
                if accumulate:
                    value = value + y.vector(at, lanes=lanes)
                y.store(value, at)
        return
    with b.loop(size) as k:
        element = x.load(k * dx)
        if accumulate:
            element = element + y.load(k * dy)
        y.store(element, k * dy)


def loop_order(axes: Sequence[Axis]) -> list[Axis]:
    """Return the axes outermost first.

    Innermost comes the axis whose neighbours are neighbours in memory: in both arrays,
    else in y, else in x.
    """
    order = list(axes)
    runs = [axis for axis in order if axis[1:] == (1, 1)]
    runs = runs or [axis for axis in order if axis[2] == 1]
    runs = runs or [axis for axis in order if axis[1] == 1]
    if runs:
        order.remove(runs[-1])
        order.append(runs[-1])
    return order or [(1, 1, 1)]
