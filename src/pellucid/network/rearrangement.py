"""Steps of a rearrangement: reshape, permute axes, slice, pad with zeros.

A layer that only moves elements describes itself as a few of these steps, on shapes
without the batch. Engines, scripts and formats that have no such layer of their own
carry out the steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.network.checks import Pair

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReshapeStep:
    """Read the elements in row-major order under another shape."""

    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        """Return the new shape."""
        del shape
        return self.shape


@dataclass(frozen=True, slots=True)
class PermuteStep:
    """Axis i of the output is axis ``axes[i]`` of the input."""

    axes: tuple[int, ...]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the permuted shape."""
        return tuple(shape[axis] for axis in self.axes)

    @property
    def inverse(self) -> PermuteStep:
        """The permutation that undoes this one."""
        return PermuteStep(tuple(map(self.axes.index, range(len(self.axes)))))


@dataclass(frozen=True, slots=True)
class SliceStep:
    """Along each axis take ``sizes`` elements from ``starts`` on, every ``steps``-th.

    All are resolved: starts are indices of elements, steps are not 0 and may be
    negative.
    """

    starts: tuple[int, ...]
    sizes: Shape
    steps: tuple[int, ...]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the sizes."""
        del shape
        return self.sizes

    @property
    def slices(self) -> tuple[slice, ...]:
        """What indexes an array's axes; for negative steps, too."""
        found = []
        for start, size, step in zip(self.starts, self.sizes, self.steps, strict=True):
            stop = start + size * step
            found.append(slice(start, stop if stop >= 0 else None, step))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class PadStep:
    """Put (before, after) zeros on each axis."""

    sides: tuple[Pair, ...]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the padded shape."""
        return tuple(n + sum(pair) for n, pair in zip(shape, self.sides, strict=True))


Step = ReshapeStep | PermuteStep | SliceStep | PadStep
Steps = tuple[Step, ...]


def output_shape(steps: Steps, shape: Shape) -> Shape:
    """Return the shape after all steps."""
    for step in steps:
        shape = step.output_shape(shape)
    return shape
