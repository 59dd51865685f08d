"""Rearrangements as text: what arrays of NumPy and JAX are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.code.script_spec import ScriptSpec
from pellucid.network import Node
from pellucid.network.layers import Concat, Shape
from pellucid.network.rearrangement import (
    PermuteStep,
    ReshapeStep,
    SliceStep,
    Steps,
)


def concat_axis(spec: ScriptSpec, node: Node) -> int:
    """Return the axis of a Concat with the batch counted; −1 for the channels."""
    rank = len(spec.shape(node))
    if not isinstance(node.layer, Concat):
        raise TypeError(type(node.layer))
    axis = node.layer.resolved_axis(rank)
    return -1 if axis == rank - 1 else axis + 1


def rearranged(steps: Steps, x: str, shape: Shape, *, module: str) -> list[str]:
    """Return the expressions that carry out the steps, one after the other.

    The first reads ``x``, a batch of examples of that shape; those behind it read
    ``{y}``, what the one before made. ``module`` has a function ``pad``: np or jnp.
    """
    found, value = [], x
    for step in steps:
        if isinstance(step, ReshapeStep):
            text = f"{value}.reshape(len({x}), {', '.join(map(str, step.shape))})"
        elif isinstance(step, PermuteStep):
            axes = ", ".join(str(axis + 1) for axis in step.axes)
            text = f"{value}.transpose(0, {axes})"
        elif isinstance(step, SliceStep):
            text = f"{value}[{index_text(index_of(step, shape))}]"
        else:
            text = f"{module}.pad({value}, {((0, 0), *step.sides)})"
        found.append(text)
        value, shape = "{y}", step.output_shape(shape)
    return found


def index_of(step: SliceStep, shape: Shape) -> tuple[slice, ...]:
    """Return what indexes a batch of that shape."""
    ranges = zip(step.slices, shape, strict=True)
    return (
        slice(None),
        *(slice(None) if r == slice(0, n, 1) else r for r, n in ranges),
    )


def index_text(index: Sequence[slice]) -> str:
    """Return slices as they are written; those of whole axes at the end are left out.

    Examples
    --------
    >>> index_text((slice(None), slice(2, None, -1), slice(None)))
    ':, 2::-1'
    """
    words = [_slice_text(one) for one in index]
    while len(words) > 1 and words[-1] == ":":
        words.pop()
    return ", ".join(words)


def _slice_text(one: slice) -> str:
    start = "" if one.start in (None, 0) and (one.step or 1) > 0 else one.start
    stop = "" if one.stop is None else one.stop
    step = "" if one.step in (None, 1) else f":{one.step}"
    return f"{start}:{stop}{step}"


def gradient_lines(
    steps: Steps, shape: Shape, names: tuple[str, str, str]
) -> list[str]:
    """Return the lines that put a gradient where its elements came from.

    Parameters
    ----------
    steps : tuple of Step
    shape : tuple of int
        The input's.
    names : (str, str, str)
        The input, the gradient by the output, and the variable for that by the input.
    """
    x, grad, target = names
    shapes = [shape]
    for step in steps:
        shapes.append(step.output_shape(shapes[-1]))
    lines, value = [], grad
    for step, before in reversed(list(zip(steps, shapes, strict=False))):
        if isinstance(step, ReshapeStep):
            sizes = ", ".join(map(str, before))
            text = f"{value}.reshape(len({x}), {sizes})"
        elif isinstance(step, PermuteStep):
            axes = ", ".join(str(axis + 1) for axis in step.inverse.axes)
            text = f"{value}.transpose(0, {axes})"
        elif isinstance(step, SliceStep):
            index = index_text(index_of(step, before))
            lines.append(f"{target} = np.zeros({x}.shape, {grad}.dtype)")
            lines.append(f"{target}[{index}] = {grad}")
            continue
        else:
            inside = [
                slice(first, first + n) if first + last else slice(None)
                for (first, last), n in zip(step.sides, before, strict=True)
            ]
            text = f"{value}[{index_text((slice(None), *inside))}]"
        lines.append(f"{target} = {text}")
        value = target
    return lines
