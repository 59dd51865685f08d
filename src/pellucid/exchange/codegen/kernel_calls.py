"""Lower a network to kernel calls, one table for C and JavaScript.

Each layer becomes calls of kernels by name, with offsets into one workspace, packed
constant arrays and sizes; the kernels' sources stand in `codegen/c/kernels.py` and
`codegen/javascript/kernels.py` under the same names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.memory_plan import (
    MemoryPlan,
    PlannedNode,
    get_pads,
    plan_memory,
)
from pellucid.exchange.codegen.pointwise import expanded, kernel_name
from pellucid.exchange.codegen.weight_packing import (
    fold_batch_norm,
    get_bias,
    pack_channels,
)
from pellucid.exchange.errors import export_error, find_writer
from pellucid.exchange.unrolled import unroll
from pellucid.network import layers as pl
from pellucid.network.expression import Expression
from pellucid.network.layers import Layer, Shape
from pellucid.network.layers.one_dimensional import expand_weight
from pellucid.network.strided import View, joined_axes, transfers
from pellucid.runs import ModelFile

#: axes along which elements move at once
MOST_AXES = 5

Array = npt.NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True, slots=True)
class WorkspaceRef:
    """An offset into the workspace, in elements from its beginning."""

    start: int


@dataclass(frozen=True, slots=True)
class ConstantRef:
    """The name of a constant array."""

    name: str


Argument = WorkspaceRef | ConstantRef | int | float


@dataclass(frozen=True, slots=True)
class KernelCall:
    """One call of a kernel, for one node."""

    node: str
    kernel: str
    arguments: tuple[Argument, ...]


@dataclass(slots=True)
class KernelProgram:
    """Calls in order, the constant arrays they name, and the plan of the workspace.

    ``lanes`` is the number of channels that the language's kernels compute at once;
    ``functions`` are kernels that are written from an expression.
    """

    plan: MemoryPlan
    lanes: int
    calls: list[KernelCall] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    functions: dict[str, Expression] = field(default_factory=dict)

    @property
    def kernels(self) -> set[str]:
        """The kernels that are called."""
        return {call.kernel for call in self.calls}

    def call(self, planned: PlannedNode, kernel: str, *arguments: Argument) -> None:
        """Call a kernel."""
        self.calls.append(KernelCall(planned.node.name, kernel, arguments))

    def array(self, planned: PlannedNode, role: str, array: Array) -> ConstantRef:
        """Keep a constant array; nodes that share their weights share it."""
        name = f"{planned.node.owner}_{role}_"
        self.arrays[name] = np.asarray(array, np.float32)
        return ConstantRef(name)

    def tiles(self, planned: PlannedNode, role: str, array: Array) -> ConstantRef:
        """Keep an array in tiles of output channels."""
        return self.array(planned, role, pack_channels(array, self.lanes))


def lower(file: ModelFile, *, lanes: int) -> KernelProgram:
    """Lower a model to kernel calls.

    Parameters
    ----------
    file : ModelFile
        Of float32; weights in the canonical layouts.
    lanes : int
        Output channels that the language's kernels compute at once, to which weights
        of convolutions and dense layers are packed.
    """
    file = unroll(file, "C and JavaScript")
    program = KernelProgram(plan_memory(file.network), lanes)
    for planned in program.plan.nodes:
        weights = {
            spec.role: np.asarray(file.weights[f"{planned.node.owner}.{spec.role}"])
            for spec in planned.layer.weights(*planned.shapes)
        }
        find_writer(_WRITERS, planned.layer, "C and JavaScript")(
            program, planned, weights
        )
    return program


def escape_comment(text: str) -> str:
    """Return text that cannot end the comment it stands in."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return plain.replace("*/", "* /").replace("\\", "/")


def _operands(planned: PlannedNode) -> tuple[WorkspaceRef, WorkspaceRef]:
    return WorkspaceRef(planned.sources[0]), WorkspaceRef(planned.target)


def _conv(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    layer, (h, w, c), (oh, ow, oc) = planned.layer, planned.shapes[0], planned.shape
    x, y = _operands(planned)
    if planned.scratch is not None:
        top, left, bottom, right = get_pads(layer, planned.shapes[0])
        padded = WorkspaceRef(planned.scratch)
        program.call(planned, "pad", x, padded, h, w, c, top, left, bottom, right)
        x, w = padded, left + w + right
    sizes = (w, c, oh, ow, oc, *layer.kernel, *layer.strides, *layer.dilations)
    bias, weight = get_bias(weights, oc), weights["weight"]
    if layer.groups == 1:
        arrays = (
            program.tiles(planned, "weight", weight),
            program.tiles(planned, "bias", bias),
        )
        program.call(planned, "conv", x, *arrays, y, *sizes)
    else:
        arrays = (
            program.array(planned, "weight", weight),
            program.array(planned, "bias", bias),
        )
        program.call(planned, "conv_grouped", x, *arrays, y, *sizes, layer.groups)


def _conv_transpose(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    layer, (x, y) = planned.layer, _operands(planned)
    top, left, _, _ = get_pads(layer, planned.shapes[0])
    weight = program.array(planned, "weight", weights["weight"])
    bias = program.array(planned, "bias", get_bias(weights, planned.shape[2]))
    sizes = (*planned.shapes[0], *planned.shape, *layer.kernel, *layer.strides)
    more = (*layer.dilations, layer.groups, top, left)
    program.call(planned, "conv_transpose", x, weight, bias, y, *sizes, *more)


def _dense(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    (x, y), units = _operands(planned), planned.shape[-1]
    weight = program.tiles(planned, "weight", weights["weight"])
    bias = program.tiles(planned, "bias", get_bias(weights, units))
    sizes = (prod(planned.shape[:-1]), planned.shapes[0][-1], units)
    program.call(planned, "dense", x, weight, bias, y, *sizes)


def _pool(kernel: str) -> Callable[[KernelProgram, PlannedNode, Weights], None]:
    def write(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
        layer = planned.layer
        top, left, _, _ = get_pads(layer, planned.shapes[0])
        sizes = (*planned.shapes[0], *planned.shape[:2], *layer.kernel, *layer.strides)
        program.call(planned, kernel, *_operands(planned), *sizes, top, left)

    return write


def _global_avg_pool(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    h, w, c = planned.shapes[0]
    program.call(planned, "global_avg_pool", *_operands(planned), h * w, c)


def _batch_norm(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    scale, shift = fold_batch_norm(weights, planned.layer.epsilon)
    arrays = (
        program.array(planned, "scale", scale),
        program.array(planned, "shift", shift),
    )
    sizes = (prod(planned.shape[:-1]), planned.shape[-1])
    program.call(planned, "scale_shift", *_operands(planned), *arrays, *sizes)


def _layer_norm(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    arrays = [
        program.array(planned, role, weights[role]) for role in ("scale", "offset")
    ]
    sizes = (prod(planned.shape[:-1]), planned.shape[-1])
    program.call(
        planned,
        "layer_norm",
        *_operands(planned),
        *arrays,
        *sizes,
        planned.layer.epsilon,
    )


def _local_response_norm(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    layer, channels = planned.layer, planned.shape[-1]
    sizes = (prod(planned.shape[:-1]), channels, layer.reach(channels))
    numbers = (float(layer.alpha / layer.size), layer.beta, layer.bias)
    program.call(planned, "local_response_norm", *_operands(planned), *sizes, *numbers)


def _sequence(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """Call the kernel of an image of height 1, as which a sequence lies in memory."""
    flat = planned.layer.as_2d()
    shape = planned.shape if len(planned.shape) == 1 else (1, *planned.shape)
    image = replace(planned, layer=flat, shapes=((1, *planned.shapes[0]),), shape=shape)
    wide = {role: expand_weight(role, array) for role, array in weights.items()}
    _WRITERS[type(flat)](program, image, wide)


def _global_max_pool(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    h, w, c = planned.shapes[0]
    sizes = (h, w, c, 1, 1, h, w, 1, 1, 0, 0)
    program.call(planned, "max_pool", *_operands(planned), *sizes)


def _prelu(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    channels = planned.shape[-1]
    slope = np.broadcast_to(weights["slope"], (channels,))
    sizes = (prod(planned.shape[:-1]), channels)
    array = program.array(planned, "slope", slope)
    program.call(planned, "prelu", *_operands(planned), array, *sizes)


def _rescale(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    channels = planned.shape[-1]
    scale, offset = (np.asarray(n) for n in planned.layer.constants(channels))
    arrays = (
        program.array(planned, "scale", scale),
        program.array(planned, "shift", offset),
    )
    sizes = (prod(planned.shape[:-1]), channels)
    program.call(planned, "scale_shift", *_operands(planned), *arrays, *sizes)


def _group_norm(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    arrays = [
        program.array(planned, role, weights[role]) for role in ("scale", "offset")
    ]
    channels = planned.shape[-1]
    groups = planned.layer.groups_of(channels)
    sizes = (prod(planned.shape[:-1]), channels, channels // groups)
    epsilon = planned.layer.epsilon
    program.call(planned, "group_norm", *_operands(planned), *arrays, *sizes, epsilon)


def _l2_normalize(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    sizes = (prod(planned.shape[:-1]), planned.shape[-1], planned.layer.epsilon)
    program.call(planned, "l2_normalize", *_operands(planned), *sizes)


def _elementwise(kernel: str) -> Callable[[KernelProgram, PlannedNode, Weights], None]:
    def write(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
        program.call(planned, kernel, *_operands(planned), prod(planned.shape))

    return write


def _pointwise(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    name = kernel_name(planned.layer)
    program.functions[name] = expanded(planned.layer)
    program.call(planned, name, *_operands(planned), prod(planned.shape))


def _leaky_relu(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    slope = float(planned.layer.slope)
    program.call(planned, "leaky_relu", *_operands(planned), prod(planned.shape), slope)


def _over_channels(
    kernel: str,
) -> Callable[[KernelProgram, PlannedNode, Weights], None]:
    def write(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
        sizes = (prod(planned.shape[:-1]), planned.shape[-1])
        program.call(planned, kernel, *_operands(planned), *sizes)

    return write


def _arithmetic(
    kernel: str,
) -> Callable[[KernelProgram, PlannedNode, Weights], None]:
    """Return a writer of calls pair by pair; ``kernel`` is for operands of one shape.

    ``<kernel>_spread`` goes through four axes of the output, its operands by strides:
    0 where they are stretched. Partial results lie where the output will.
    """

    def write(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
        first, target = _operands(planned)
        shape = planned.shapes[0]
        pairs = zip(planned.sources[1:], planned.shapes[1:], strict=True)
        if len(planned.sources) > 2 and len(set(planned.shapes)) > 1:
            first, shape = _stretched(program, planned), planned.shape
        for source, other in pairs:
            places = first, WorkspaceRef(source), target
            if shape == other == planned.shape:
                program.call(planned, kernel, *places, prod(shape))
            else:
                sizes = _four(planned, planned.shape)
                steps = (*_steps(planned, shape), *_steps(planned, other))
                program.call(planned, f"{kernel}_spread", *places, *sizes, *steps)
            first, shape = target, planned.shape

    return write


def _stretched(program: KernelProgram, planned: PlannedNode) -> WorkspaceRef:
    """Copy the first input to the output's place and size; return that place.

    Then no partial result is smaller than the output, which it is written over.
    """
    x, y = _operands(planned)
    sizes = _four(planned, planned.shape)
    program.call(planned, "stretch", x, y, *sizes, *_steps(planned, planned.shapes[0]))
    return y


def _four(planned: PlannedNode, shape: Shape) -> tuple[int, ...]:
    """Return a shape with as many leading axes as the kernels go through."""
    if len(shape) > 4:
        raise export_error(
            "C and JavaScript", planned.layer.who, "values must have 4 axes at most"
        )
    return (1,) * (4 - len(shape)) + shape


def _steps(planned: PlannedNode, shape: Shape) -> tuple[int, ...]:
    """Return how far the next element of each axis is; 0 where an axis has one."""
    sizes = _four(planned, shape)
    return tuple(prod(sizes[i + 1 :]) if n > 1 else 0 for i, n in enumerate(sizes))


def _matmul(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """By steps: a transposed matrix is read by its columns."""
    layer, (a, b) = planned.layer, planned.shapes
    rows, inner, columns = layer.sizes(a, b)
    (x, y), other = _operands(planned), WorkspaceRef(planned.sources[1])
    sides = []
    for shape, flag in ((a, layer.transpose_a), (b, layer.transpose_b)):
        steps = (1, shape[-1]) if flag else (shape[-1], 1)
        sides += [*_steps(planned, shape)[:2], *steps]
    lead = _four(planned, planned.shape)[:2]
    sizes = (*lead, rows, inner, columns, *sides)
    program.call(planned, "matmul", x, other, y, *sizes, layer.scale)


def _parameter(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    value = program.array(planned, "value", weights["value"])
    y = WorkspaceRef(planned.target)
    program.call(planned, "constant", value, y, prod(planned.shape))


def _concat(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """Runs of the axis and all behind it, beside each other."""
    axis = planned.layer.resolved_axis(len(planned.shape))
    begin, whole = 0, prod(planned.shape[axis:])
    for source, shape in zip(planned.sources, planned.shapes, strict=True):
        run = prod(shape[axis:])
        sizes = (prod(shape[:axis]), run, whole, begin)
        program.call(
            planned,
            "concat",
            WorkspaceRef(source),
            WorkspaceRef(planned.target),
            *sizes,
        )
        begin += run


def _rearrange(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """One strided copy: what lies densely is split and joined where it is."""
    shape = planned.shapes[0]
    x, y = View.dense(shape), View.dense(planned.shape)
    move, *others = transfers(planned.layer.steps(shape), x, y)
    axes = joined_axes(move)
    if others or len(axes) > MOST_AXES:
        raise export_error(
            "C and JavaScript",
            planned.layer.who,
            f"elements must move along at most {MOST_AXES} axes at once",
        )
    axes = [(1, 0, 0)] * (MOST_AXES - len(axes)) + axes
    program.call(
        planned,
        "strided_copy",
        WorkspaceRef(planned.sources[0] + move.source.offset),
        WorkspaceRef(planned.target + move.target.offset),
        *(number for axis in axes for number in axis),
    )


def _pad_channels(
    program: KernelProgram, planned: PlannedNode, weights: Weights
) -> None:
    """Rows of a column: what lies before the channels, and the channels."""
    layer, channels = planned.layer, planned.shapes[0][-1]
    sizes = (prod(planned.shape[:-1]), channels, 1, 0, layer.before, 0, layer.after)
    program.call(planned, "pad", *_operands(planned), *sizes)


def _zero_pad(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    (top, bottom), (left, right) = planned.layer.sides
    sides = (top, left, bottom, right)
    program.call(planned, "pad", *_operands(planned), *planned.shapes[0], *sides)


def _upsample(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    sizes = (*planned.shapes[0], *planned.layer.factors)
    program.call(planned, f"upsample_{planned.layer.mode}", *_operands(planned), *sizes)


def _resize(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """By tables: the first input, the second, the share of the second."""
    layer, (h, w, c), (oh, ow, _) = planned.layer, planned.shapes[0], planned.shape
    rows = program.array(planned, "rows", np.asarray(layer.entries(0, h)))
    columns = program.array(planned, "columns", np.asarray(layer.entries(1, w)))
    kernel = "resize_cubic" if layer.mode == "bicubic" else "resize"
    program.call(planned, kernel, *_operands(planned), rows, columns, w, c, oh, ow)


def _view(program: KernelProgram, planned: PlannedNode, weights: Weights) -> None:
    """Flatten, Reshape, Dropout: the output is the input, element for element."""


_WRITERS: dict[type[Layer], Callable[[KernelProgram, PlannedNode, Weights], None]] = {
    pl.Add: _arithmetic("add"),
    pl.AvgPool2D: _pool("avg_pool"),
    pl.BatchNorm: _batch_norm,
    pl.Rearrangement: _rearrange,
    pl.Concat: _concat,
    pl.Conv2D: _conv,
    pl.ConvTranspose2D: _conv_transpose,
    pl.Dense: _dense,
    pl.Dropout: _view,
    pl.Flatten: _view,
    pl.GELU: _elementwise("gelu"),
    pl.GlobalAvgPool2D: _global_avg_pool,
    pl.LayerNorm: _layer_norm,
    pl.LeakyReLU: _leaky_relu,
    pl.LocalResponseNorm: _local_response_norm,
    pl.MaxPool2D: _pool("max_pool"),
    pl.MatMul: _matmul,
    pl.Maximum: _arithmetic("maximum"),
    pl.Multiply: _arithmetic("multiply"),
    pl.PadChannels: _pad_channels,
    pl.Parameter: _parameter,
    pl.Pointwise: _pointwise,
    pl.ReLU: _elementwise("relu"),
    pl.Reshape: _view,
    pl.Resize: _resize,
    pl.SiLU: _elementwise("silu"),
    pl.Sigmoid: _elementwise("sigmoid"),
    pl.LogSoftmax: _over_channels("log_softmax"),
    pl.Softmax: _over_channels("softmax"),
    pl.Subtract: _arithmetic("subtract"),
    pl.Tanh: _elementwise("tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _zero_pad,
    pl.GlobalMaxPool2D: _global_max_pool,
    pl.PerImageNorm: _group_norm,
    pl.L2Normalize: _l2_normalize,
    pl.PReLU: _prelu,
    pl.Rescale: _rescale,
    pl.OneDimensional: _sequence,
}
