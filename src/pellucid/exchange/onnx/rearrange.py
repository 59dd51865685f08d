"""Write layers that move elements as ONNX operators, images channels first."""

from __future__ import annotations

from pellucid.engines.framework_layers.torch import torch_axis, torch_permutation
from pellucid.exchange.onnx.write_context import WriteContext

_BEFORE_ALL = -(2**63) + 1  # the end of a range that goes backwards to the first


def concat(context: WriteContext) -> str:
    """Join along the axis, as it is counted channels first."""
    rank = len(context.shape)
    axis = context.layer.resolved_axis(rank)
    is_last = axis == rank - 1 and rank != 3
    return context.add_operator(
        "Concat", axis=-1 if is_last else torch_axis(axis, rank)
    )


def slice_(context: WriteContext) -> str:
    """Write the axes of which something is left out."""
    (step,), rank = context.layer.steps(context.shape), len(context.shape)
    rows = []
    ranges = zip(step.slices, context.shape, step.steps, strict=True)
    for axis, (one, n, stride) in enumerate(ranges):
        if one != slice(0, n, 1):
            stop = _BEFORE_ALL if one.stop is None else one.stop
            rows.append((one.start, stop, torch_axis(axis, rank), stride))
    if not rows:
        return context.add_operator("Identity")
    starts, ends, axes, steps = zip(*rows, strict=True)
    inputs = [
        context.add_numbers(role, numbers)
        for role, numbers in (
            ("starts", starts),
            ("ends", ends),
            ("axes", axes),
            ("steps", steps),
        )
    ]
    return context.add_operator("Slice", [*context.inputs, *inputs])


def permute(context: WriteContext) -> str:
    """Write the permutation of the axes channels first."""
    return context.add_operator(
        "Transpose", perm=list(torch_permutation(context.layer.axes))
    )


def reshape(context: WriteContext) -> str:
    """Write a Reshape of images brought to channels last, and back."""
    shape = context.layer.output_shape(context.shape)
    builder, (x,) = context.builder, context.inputs
    if context.is_image:
        x = builder.channels_last(x, context.node.name)
    to = context.add_numbers("shape", (0, *shape))  # 0: the batch, as it is
    if len(shape) != 3:
        return context.add_operator("Reshape", [x, to])
    y = context.add_part("Reshape", [x, to], "channels_last")
    return builder.channels_first(y, context.node.name)


def pad_channels(context: WriteContext) -> str:
    """Write the padding of one axis."""
    rank, layer = len(context.shape), context.layer
    pads = context.add_numbers("pads", (layer.before, layer.after))
    axes = context.add_numbers("axes", (torch_axis(rank - 1, rank),))
    return context.add_operator("Pad", [*context.inputs, pads, "", axes])


def depth_to_space(context: WriteContext) -> str:
    """Write ONNX's operator, which knows both orders."""
    layer = context.layer
    return context.add_operator(
        "DepthToSpace", blocksize=layer.block_size, mode=layer.order
    )


def space_to_depth(context: WriteContext) -> str:
    """Write ONNX's operator; of the other order, its channels are dealt out."""
    b, channels = context.layer.block_size, context.shape[2]
    if context.layer.order == "DCR":
        return context.add_operator("SpaceToDepth", blocksize=b)
    y = context.add_part("SpaceToDepth", context.inputs, "blocks", blocksize=b)
    return _shuffled(context, y, b * b, channels)


def channel_shuffle(context: WriteContext) -> str:
    """Write the channels as a matrix, transposed."""
    groups = context.layer.groups
    return _shuffled(context, context.inputs[0], groups, context.shape[2] // groups)


def _shuffled(context: WriteContext, x: str, rows: int, columns: int) -> str:
    """Transpose channels that are a matrix of so many rows."""
    height, width, _ = context.layer.output_shape(context.shape)
    split = context.add_numbers("split", (0, rows, columns, height, width))
    joined = context.add_numbers("joined", (0, rows * columns, height, width))
    parts = context.add_part("Reshape", [x, split], "parts")
    turned = context.add_part("Transpose", [parts], "turned", perm=[0, 2, 1, 3, 4])
    return context.add_operator("Reshape", [turned, joined])
