"""Receptive field of an element, as a box of input pixels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pellucid.network.layers import (
    Arithmetic,
    AvgPool2D,
    ChannelShuffle,
    Concat,
    Conv2D,
    ConvTranspose2D,
    Crop2D,
    Dense,
    DepthToSpace,
    Flatten,
    MaxPool2D,
    PadChannels,
    Parameter,
    PerImageNorm,
    Permute,
    Reshape,
    Resize,
    SameShape,
    Shape,
    Slice,
    SpaceToDepth,
    Upsample2D,
    ZeroPad2D,
    operation_of,
)
from pellucid.network.layers.rearrange import Rearrangement
from pellucid.network.rearrangement import PermuteStep, SliceStep

if TYPE_CHECKING:
    from pellucid.network.graph import Network
    from pellucid.network.node import Node


class Span(NamedTuple):
    """Rows or columns, the first and the last of them."""

    first: int
    last: int


#: the spans of rows and of columns
Box = tuple[Span, Span]
Rule = Callable[[Any, int, Span, tuple[int, int]], Span]


def field(network: Network, node: str, at: tuple[int, ...]) -> Box | None:
    """Return the pixels that can reach one number of a node.

    Parameters
    ----------
    network : Network
        Its first input takes the picture.
    node : str
    at : tuple of int
        (row, column, channel), or (unit,).

    Returns
    -------
    pair of Span, or None
        Rows and columns; None where nothing but padding does. Behind layers that move
        channels into rows or columns, or back, those of all channels together.
    """
    shapes = network.shapes
    place = at
    if len(at) == 1 and isinstance(network.node(node).layer, Flatten):
        source = network.node(node).inputs[0]
        place = tuple(int(n) for n in np.unravel_index(at[0], shapes[source]))
        node = source
    begin = _whole(shapes[node])
    if len(place) == 3:
        begin = (Span(place[0], place[0]), Span(place[1], place[1]))
    wanted: dict[str, Box | None] = {node: begin}
    for one in reversed(network.nodes):
        if one.name not in wanted or not one.inputs:
            continue
        box = wanted.pop(one.name)
        for source in one.inputs:
            reached = _before(one, box, shapes[source])
            wanted[source] = _together(wanted.get(source), reached)
    return wanted.get(network.inputs[0])


def extent(network: Network, node: str) -> tuple[int, int] | None:
    """Return rows and columns of the picture that reach a node's middle element.

    Parameters
    ----------
    network : Network
        Its first input takes the picture.
    node : str

    Returns
    -------
    (int, int), or None
        Never more than the picture has; None where the first input is not an image, or
        nothing of it reaches the element.
    """
    if len(network.shapes[network.inputs[0]]) != 3:
        return None
    while isinstance(network.node(node).layer, Flatten):
        (node,) = network.node(node).inputs
    at = tuple(size // 2 for size in network.shapes[node])
    box = field(network, node, at)
    if box is None:
        return None
    rows, columns = (span.last - span.first + 1 for span in box)
    return rows, columns


def _whole(shape: Shape) -> Box:
    height, width = shape[:2] if len(shape) == 3 else (1, 1)
    return Span(0, height - 1), Span(0, width - 1)


def _together(one: Box | None, other: Box | None) -> Box | None:
    """Return the smallest box around two."""
    if one is None or other is None:
        return one or other
    rows, columns = (
        Span(min(a.first, b.first), max(a.last, b.last))
        for a, b in zip(one, other, strict=True)
    )
    return rows, columns


def _before(node: Node, box: Box | None, shape: Shape) -> Box | None:
    """Return which cells of an input reach a box of a node's output."""
    if isinstance(node.layer, Parameter):
        return None
    if box is None or len(shape) != 3:
        return box and _whole(shape)
    layer, size = operation_of(node.layer), (shape[0], shape[1])
    if isinstance(layer, Concat) and layer.resolved_axis(3) != 2:
        return _whole(shape)
    if isinstance(layer, Slice | Crop2D):
        return _sliced(layer, box, shape)
    if isinstance(layer, DepthToSpace | Permute | Reshape | SpaceToDepth):
        return _moved(layer, box, shape)
    rule = next((rule for kinds, rule in _RULES if isinstance(layer, kinds)), None)
    if rule is None:
        return _whole(shape)
    clipped = []
    for axis, span in enumerate(box):
        first, last = rule(layer, axis, span, size)
        kept = Span(max(first, 0), min(last, size[axis] - 1))
        if kept.first > kept.last:
            return None
        clipped.append(kept)
    return clipped[0], clipped[1]


def _sliced(layer: Slice | Crop2D, box: Box, shape: Shape) -> Box:
    """Return the cells that a range takes a box of its output from."""
    (step,) = layer.steps(shape)
    if not isinstance(step, SliceStep):
        raise TypeError(step)
    spans = []
    for axis, span in enumerate(box):
        ends = [step.starts[axis] + i * step.steps[axis] for i in span]
        spans.append(Span(min(ends), max(ends)))
    return spans[0], spans[1]


def _moved(layer: Rearrangement, box: Box, shape: Shape) -> Box:
    """Return the cells whose elements a rearrangement puts into a box of its output."""
    places = np.arange(math.prod(shape)).reshape(shape)
    for step in layer.steps(shape):
        if isinstance(step, PermuteStep):
            places = places.transpose(step.axes)
        else:
            places = places.reshape(step.output_shape(places.shape))
    if places.ndim == 3:
        rows, columns = (slice(span.first, span.last + 1) for span in box)
        places = places[rows, columns]
    found = np.unravel_index(places, shape)[:2]
    height, width = (Span(int(at.min()), int(at.max())) for at in found)
    return height, width


def _window(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    """i·s − before … i·s + (k − 1)·d − before."""
    before, stride = layer.pads(size)[axis][0], layer.strides[axis]
    reach = (layer.kernel[axis] - 1) * getattr(layer, "dilations", (1, 1))[axis]
    return Span(span.first * stride - before, span.last * stride - before + reach)


def _spread(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    """The i with i·s + u·d − before = p for some u."""
    before, stride = max(layer.pads(size)[axis][0], 0), layer.strides[axis]
    reach = (layer.kernel[axis] - 1) * layer.dilations[axis]
    first = -((reach - span.first - before) // stride)
    return Span(first, (span.last + before) // stride)


def _shift_span(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    del size
    before = layer.sides[axis][0]
    return Span(span.first - before, span.last - before)


def _resize_span(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    """By ``nearest`` one cell, by ``bilinear`` its neighbours too."""
    factor = layer.factors[axis]
    if layer.mode == "nearest":
        return Span(span.first // factor, span.last // factor)
    first, last = (
        min(max((place + 0.5) / factor - 0.5, 0), size[axis] - 1) for place in span
    )
    return Span(math.floor(first), -math.floor(-last))


def _span_of_taps(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    taps = layer.taps(axis, size[axis])[span.first : span.last + 1]
    sources = [at for row in taps for at, _ in row]
    return Span(min(sources), max(sources))


def _same(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    del layer, axis, size
    return span


def _everywhere(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    """Mean and variance are those of the whole image."""
    del layer, span
    return Span(0, size[axis] - 1)


def _stretched(layer: Any, axis: int, span: Span, size: tuple[int, int]) -> Span:
    """The same place, or the only one."""
    del layer
    return Span(0, 0) if size[axis] == 1 else span


#: the first that fits; whatever is not here reads everything
_RULES: tuple[tuple[Any, Rule], ...] = (
    ((Conv2D, MaxPool2D, AvgPool2D), _window),
    (ConvTranspose2D, _spread),
    (ZeroPad2D, _shift_span),
    (Resize, _span_of_taps),
    (Upsample2D, _resize_span),
    (Arithmetic, _stretched),
    (PerImageNorm, _everywhere),
    ((SameShape, ChannelShuffle, Concat, Dense, PadChannels), _same),
)
