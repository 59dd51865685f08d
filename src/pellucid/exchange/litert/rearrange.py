"""Write layers that move elements, step by step, as LiteRT operators."""

from __future__ import annotations

from pellucid.exchange.litert.write_context import WriteContext
from pellucid.network.layers import Shape
from pellucid.network.rearrangement import (
    PadStep,
    PermuteStep,
    ReshapeStep,
    SliceStep,
)

MOST_SLICED, MOST_PERMUTED = 5, 6  # axes that the runtime's kernels take, batch counted


def write(context: WriteContext) -> int:
    """Write an operator for each step; the last makes the node's value."""
    shape, x = context.shapes[0], context.inputs[0]
    steps = context.layer.steps(shape)
    for i, step in enumerate(steps):
        before, shape = shape, step.output_shape(shape)
        part = "" if i == len(steps) - 1 else f"part_{i}"
        if isinstance(step, ReshapeStep):
            to = [-1, *shape]
            given = context.add_constant("shape", to)
            x = context.add_operator(
                "RESHAPE", x, given, part=part, shape=shape, new_shape=to
            )
        elif isinstance(step, PermuteStep):
            _check_rank(context, shape, MOST_PERMUTED)
            axes = context.add_constant("perm", [0, *(a + 1 for a in step.axes)])
            x = context.add_operator("TRANSPOSE", x, axes, part=part, shape=shape)
        elif isinstance(step, SliceStep):
            x = _slice(context, x, step, (before, shape), part)
        else:
            x = _pad(context, x, step, shape, part)
    return x


def _check_rank(context: WriteContext, shape: Shape, most: int) -> None:
    if len(shape) + 1 > most:
        raise context.make_error(f"at most {most - 1} axes can be moved at once")


def _slice(
    context: WriteContext,
    x: int,
    step: SliceStep,
    shapes: tuple[Shape, Shape],
    part: str,
) -> int:
    """The batch, and whatever goes backwards to its first element, has no end."""
    _check_rank(context, shapes[0], MOST_SLICED)
    ends = [one.stop for one in step.slices]
    open_ends = sum(1 << (i + 1) for i, end in enumerate(ends) if end is None)
    return context.add_operator(
        "STRIDED_SLICE",
        x,
        context.add_constant("begin", [0, *step.starts]),
        context.add_constant("end", [0, *(end or 0 for end in ends)]),
        context.add_constant("strides", [1, *step.steps]),
        part=part,
        shape=shapes[1],
        begin_mask=1,
        end_mask=1 | open_ends,
    )


def _pad(context: WriteContext, x: int, step: PadStep, shape: Shape, part: str) -> int:
    paddings = context.add_constant("paddings", [[0, 0], *map(list, step.sides)])
    return context.add_operator("PAD", x, paddings, part=part, shape=shape)
