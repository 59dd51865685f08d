"""Copy between two strided arrays: permuted, sliced, split and joined axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.engines.compiled.codegen import Builder, Pointer, kernel
from pellucid.engines.compiled.kernels.elementwise.elementwise_loops import spans

#: size, elements from one index to the next in x, and in y
Axis = tuple[int, int, int]


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
    """Return the axes outermost first, joined where they lie in one run in both.

    Innermost comes the axis whose neighbours are neighbours in memory: in both arrays,
    else in y, else in x.
    """
    joined: list[Axis] = []
    for size, dx, dy in axes:
        if size == 1:
            continue
        if joined and joined[-1][1:] == (size * dx, size * dy):
            joined[-1] = (joined[-1][0] * size, dx, dy)
        else:
            joined.append((size, dx, dy))
    for is_run in (
        lambda a: a[1:] == (1, 1),
        lambda a: a[2] == 1,
        lambda a: a[1] == 1,
    ):
        found = [axis for axis in joined if is_run(axis)]
        if found:
            joined.remove(found[-1])
            joined.append(found[-1])
            break
    return joined or [(1, 1, 1)]
