"""Strided views of memory: how a rearrangement is copied.

A rearrangement is one copy between two views where its reshapes only split or join
axes that lie in one run; elsewhere elements are laid out densely in between.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod

from pellucid.network.rearrangement import (
    PadStep,
    PermuteStep,
    ReshapeStep,
    SliceStep,
    Step,
    Steps,
)

Shape = tuple[int, ...]
#: size, elements from one index to the next in the source, and in the target
Axis = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """Axes in memory: sizes, elements from index to index, offset of the first."""

    sizes: Shape
    strides: tuple[int, ...]
    offset: int = 0

    @classmethod
    def dense(cls, shape: Shape) -> View:
        """Return an array in row-major order."""
        return cls(shape, tuple(prod(shape[i + 1 :]) for i in range(len(shape))))

    def permuted(self, axes: tuple[int, ...]) -> View:
        """Return the view with its axes in another order."""
        sizes, strides = (tuple(v[a] for a in axes) for v in (self.sizes, self.strides))
        return View(sizes, strides, self.offset)

    def sliced(self, step: SliceStep) -> View:
        """Return a range of the view."""
        begin = sum(n * s for n, s in zip(step.starts, self.strides, strict=True))
        strides = tuple(n * s for n, s in zip(step.steps, self.strides, strict=True))
        return View(step.sizes, strides, self.offset + begin)

    def inside(self, step: PadStep) -> View:
        """Return the part of a padded view that is no padding."""
        starts = tuple(before for before, _ in step.sides)
        pairs = zip(self.sizes, step.sides, strict=True)
        sizes = tuple(n - sum(pair) for n, pair in pairs)
        return self.sliced(SliceStep(starts, sizes, (1,) * len(sizes)))

    def reshaped(self, shape: Shape) -> View | None:
        """Return the view under another shape; None where strides cannot say it."""
        old = [(n, s) for n, s in zip(self.sizes, self.strides, strict=True) if n > 1]
        strides: list[int] = []
        left = [n for n in shape if n > 1]
        while left:
            have, wanted = [old.pop(0)], [left.pop(0)]
            while prod(n for n, _ in have) != prod(wanted):
                if prod(n for n, _ in have) < prod(wanted):
                    have.append(old.pop(0))
                else:
                    wanted.append(left.pop(0))
            runs = pairwise(have)
            if any(outer != n * inner for (_, outer), (n, inner) in runs):
                return None
            last = have[-1][1]
            strides += [last * prod(wanted[i + 1 :]) for i in range(len(wanted))]
        found = iter(strides)
        return View(
            shape, tuple(next(found) if n > 1 else 1 for n in shape), self.offset
        )


@dataclass(frozen=True, slots=True)
class Transfer:
    """Elements that go from one view to another, of equal sizes."""

    source: View
    target: View


def transfers(steps: Steps, x: View, y: View) -> list[Transfer]:
    """Return the copies that make y of x; between two of them elements lie densely."""
    found: list[Transfer] = []
    left = list(steps)
    while True:
        x = _advance(left, x)
        target = y
        while left and (before := _undone(left, x.sizes, target)) is not None:
            left.pop()
            target = before
        if not left:
            return [*found, Transfer(x, target)]
        if not isinstance(left[0], ReshapeStep | PadStep):
            raise TypeError(left[0])
        y, between = target, View.dense(x.sizes)
        found.append(Transfer(x, between))
        x = between


def _advance(left: list[Step], x: View) -> View:
    """Take steps from the front as long as x can be viewed so."""
    while left:
        step = left[0]
        if isinstance(step, ReshapeStep):
            reshaped = x.reshaped(step.shape)
            if reshaped is None:
                return x
            x = reshaped
        elif isinstance(step, PermuteStep):
            x = x.permuted(step.axes)
        elif isinstance(step, SliceStep):
            x = x.sliced(step)
        else:
            return x
        left.pop(0)
    return x


def _undone(left: list[Step], sizes: Shape, y: View) -> View | None:
    """Return how y is seen before the last step; None where no view shows it."""
    before = sizes
    for step in left[:-1]:
        before = step.output_shape(before)
    step = left[-1]
    if isinstance(step, ReshapeStep):
        return y.reshaped(before)
    if isinstance(step, PermuteStep):
        return y.permuted(step.inverse.axes)
    return y.inside(step) if isinstance(step, PadStep) else None


def shifted(view: View, axis: int, start: int, size: int) -> View:
    """Return a range of one axis."""
    sizes = (*view.sizes[:axis], size, *view.sizes[axis + 1 :])
    return replace(view, sizes=sizes, offset=view.offset + start * view.strides[axis])


def joined_axes(move: Transfer) -> list[Axis]:
    """Return the axes that are walked, joined where they lie in one run in both."""
    source, target = move.source, move.target
    joined: list[Axis] = []
    for size, dx, dy in zip(source.sizes, source.strides, target.strides, strict=True):
        if size == 1:
            continue
        if joined and joined[-1][1:] == (size * dx, size * dy):
            joined[-1] = (joined[-1][0] * size, dx, dy)
        else:
            joined.append((size, dx, dy))
    return joined
