"""One output of a layer that only moves elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.explain.layers.geometry import copy_element
from pellucid.explain.values import Calculation, ElementContext, Position
from pellucid.network.rearrangement import (
    PadStep,
    PermuteStep,
    ReshapeStep,
    SliceStep,
    Step,
    Steps,
)

Shape = tuple[int, ...]

EQUATIONS = {
    "ChannelShuffle": "y[i,j,k·g + n] = x[i,j,n·C/g + k], g groups",
    "Crop2D": "y[i,j,c] = x[i + top, j + left, c]",
    "DepthToSpace": "y[i·b + u, j·b + v, c] = x[i,j,k], k of (u,v,c) by the order",
    "PadChannels": "y[…,c] = x[…,c − before], 0 outside",
    "Permute": "y[i] = x[j] with j[axes[k]] = i[k]",
    "Reshape": "y[k] = x[k], k counting elements in row-major order",
    "Slice": "y[i] = x[start + i·step] along the axes of the range",
    "SpaceToDepth": "y[i,j,k] = x[i·b + u, j·b + v, c], k of (u,v,c) by the order",
}


def rearrangement(element: ElementContext) -> Calculation:
    """Take the element from the place that the layer took it from."""
    layer: Any = element.node.layer
    at = origin(layer.steps(element.x.shape), element.x.shape, element.at)
    x = 0.0 if at is None else float(element.x[at])
    return copy_element(element.source, at, x, EQUATIONS[type(layer).__name__])


def origin(steps: Steps, shape: Shape, at: Position) -> Position | None:
    """Return the place in the input that an output element comes from.

    Parameters
    ----------
    steps : tuple of Step
    shape : tuple of int
        The input's.
    at : tuple of int
        A place in the output.

    Returns
    -------
    tuple of int, or None
        None where the element is padding.
    """
    shapes = [shape]
    for step in steps:
        shapes.append(step.output_shape(shapes[-1]))
    place: Position | None = at
    for step, before, after in reversed(
        list(zip(steps, shapes, shapes[1:], strict=False))
    ):
        place = None if place is None else _before(step, before, after, place)
    return place


def _before(step: Step, before: Shape, after: Shape, at: Position) -> Position | None:
    if isinstance(step, ReshapeStep):
        flat = np.ravel_multi_index(at, after)
        return tuple(int(n) for n in np.unravel_index(flat, before))
    if isinstance(step, PermuteStep):
        return tuple(at[axis] for axis in step.inverse.axes)
    if isinstance(step, SliceStep):
        ranges = zip(at, step.starts, step.steps, strict=True)
        return tuple(start + i * stride for i, start, stride in ranges)
    return _inside(step, before, at)


def _inside(step: PadStep, before: Shape, at: Position) -> Position | None:
    place = tuple(i - side[0] for i, side in zip(at, step.sides, strict=True))
    is_inside = all(0 <= i < n for i, n in zip(place, before, strict=True))
    return place if is_inside else None
