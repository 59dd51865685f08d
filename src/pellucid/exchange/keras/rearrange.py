"""Write layers that move elements as Keras' Reshape, Permute, Cropping2D and pools."""

from __future__ import annotations

from math import prod
from typing import Any

from pellucid.exchange.keras.write_context import WriteContext
from pellucid.network.layers import Shape
from pellucid.network.rearrangement import (
    PermuteStep,
    ReshapeStep,
    SliceStep,
)


def write(context: WriteContext) -> None:
    """Write the steps; the last layer has the node's name.

    A range of one axis is cut from the elements as an image (what lies before, the
    axis, what lies behind): Cropping2D takes neighbours, a pool of 1 × 1 with a stride
    every so-manieth.
    """
    shape = context.shapes[0]
    layers: list[tuple[str, Shape, dict[str, Any]]] = []
    for step in context.layer.steps(shape):
        if isinstance(step, ReshapeStep):
            layers.append(_reshape(step.shape))
        elif isinstance(step, PermuteStep):
            dims = [axis + 1 for axis in step.axes]
            layers.append(("Permute", step.output_shape(shape), {"dims": dims}))
        elif isinstance(step, SliceStep):
            layers += _cut(context, step, shape)
        else:
            layers += _pads(step.sides, shape)
        shape = step.output_shape(shape)
    layers = _without_detours(layers, context.shapes[0]) or [_reshape(shape)]
    for i, (kind, made, config) in enumerate(layers):
        is_last = i == len(layers) - 1
        name = "" if is_last else f"{context.node.name}_part_{i}"
        context.add_layer(kind, name=name, shape=made, **config)


def _reshape(shape: Shape) -> tuple[str, Shape, dict[str, Any]]:
    return "Reshape", shape, {"target_shape": list(shape)}


def _without_detours(
    layers: list[tuple[str, Shape, dict[str, Any]]], shape: Shape
) -> list[tuple[str, Shape, dict[str, Any]]]:
    """Leave out reshapes that change nothing, and the first of two in a row."""
    kept: list[tuple[str, Shape, dict[str, Any]]] = []
    for layer in layers:
        if layer[0] == "Reshape" and kept and kept[-1][0] == "Reshape":
            kept.pop()
        before = kept[-1][1] if kept else shape
        if layer[0] != "Reshape" or layer[1] != before:
            kept.append(layer)
    return kept


def _crop(step: SliceStep, shape: Shape) -> tuple[str, Shape, dict[str, Any]]:
    """Return the layer that crops an image."""
    rows = zip(step.starts[:2], step.sizes[:2], shape[:2], strict=True)
    crop = [[start, n - start - size] for start, size, n in rows]
    how: dict[str, Any] = {"cropping": crop, "data_format": "channels_last"}
    return "Cropping2D", step.sizes, how


def _cut(
    context: WriteContext, step: SliceStep, shape: Shape
) -> list[tuple[str, Shape, dict[str, Any]]]:
    if min(step.steps) < 0:
        raise context.make_error("a range must not go backwards")
    if len(shape) == 3 and step.sizes[2] == shape[2] and set(step.steps) == {1}:
        return [_crop(step, shape)]
    layers, now = [], shape
    ranges = zip(step.starts, step.sizes, step.steps, strict=True)
    for axis, (start, size, stride) in enumerate(ranges):
        n, before, after = now[axis], prod(now[:axis]), prod(now[axis + 1 :])
        extent = (size - 1) * stride + 1
        now = (*now[:axis], size, *now[axis + 1 :])
        if size == n:
            continue
        layers.append(_reshape((before, n, after)))
        if extent < n:
            crop = [[0, 0], [start, n - start - extent]]
            how: dict[str, Any] = {"cropping": crop, "data_format": "channels_last"}
            layers.append(("Cropping2D", (before, extent, after), how))
        if stride > 1:
            how = {
                "pool_size": [1, 1],
                "strides": [1, stride],
                "padding": "valid",
                "data_format": "channels_last",
            }
            layers.append(("MaxPooling2D", (before, size, after), how))
        layers.append(_reshape(now))
    return layers


def _pads(
    sides: tuple[tuple[int, int], ...], shape: Shape
) -> list[tuple[str, Shape, dict[str, Any]]]:
    layers, now = [], shape
    for axis, (first, last) in enumerate(sides):
        n, before, after = now[axis], prod(now[:axis]), prod(now[axis + 1 :])
        if not first + last:
            continue
        now = (*now[:axis], first + n + last, *now[axis + 1 :])
        how: dict[str, Any] = {
            "padding": [[0, 0], [first, last]],
            "data_format": "channels_last",
        }
        layers.append(_reshape((before, n, after)))
        layers.append(("ZeroPadding2D", (before, first + n + last, after), how))
        layers.append(_reshape(now))
    return layers
