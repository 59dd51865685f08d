"""Lower a quantized graph to int8 kernel calls on one workspace of bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.c_int8.kernels import GROUP, LANES, SLACK
from pellucid.exchange.codegen.kernel_calls import (
    MOST_AXES,
    Argument,
    ConstantRef,
    KernelCall,
    WorkspaceRef,
)
from pellucid.exchange.codegen.memory_plan import Workspace
from pellucid.exchange.codegen.weight_packing import pack_channels
from pellucid.exchange.errors import export_error
from pellucid.exchange.int8.arithmetic import LOW
from pellucid.exchange.int8.quantization import WEIGHTED
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Scales, Value
from pellucid.exchange.litert.integer_tables import TABLES, with_constant
from pellucid.network.quantization import Quantization, encode_multiplier
from pellucid.network.rearrangement import PermuteStep, SliceStep, Step
from pellucid.network.strided import View, joined_axes, transfers

Array = npt.NDArray[Any]
_ONE = 2**23  # of the softmax's exponentials
_TWICE, _ONCE = 0, 1  # how often LiteRT's kernels round a product


@dataclass(slots=True, kw_only=True)
class Int8KernelProgram:
    """Calls in order, the constant arrays they name, and the workspace's places."""

    graph: Graph
    space: Workspace = field(default_factory=Workspace)
    calls: list[KernelCall] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)

    @property
    def kernels(self) -> set[str]:
        """The kernels that are called."""
        return {call.kernel for call in self.calls}


@dataclass(slots=True, kw_only=True)
class OperatorContext:
    """One operator while its calls are made."""

    program: Int8KernelProgram
    operator: Operator
    inputs: list[Value]
    output: Value
    sources: list[WorkspaceRef | None]
    target: WorkspaceRef

    def call(self, kernel: str, *arguments: Argument) -> None:
        """Call a kernel."""
        name = re.sub(r"[^A-Za-z0-9_;]", "_", self.output.name)
        self.program.calls.append(KernelCall(name, kernel, arguments))

    def array(self, role: str, array: Array, dtype: str) -> ConstantRef:
        """Keep a constant array."""
        name = re.sub(r"\W", "_", self.output.name.split(";")[0], flags=re.ASCII)
        name = f"{name}_{role}_{len(self.program.arrays)}"
        self.program.arrays[name] = np.asarray(array).astype(dtype)
        return ConstantRef(name)

    @property
    def source(self) -> WorkspaceRef:
        """Where the first input lies."""
        return self.source_at(0)

    def source_at(self, i: int) -> WorkspaceRef:
        """Return where an input lies."""
        place = self.sources[i]
        if place is None:
            reason = f"input {i} of {self.operator.kind} must not be a constant"
            raise export_error("C in int8", self.operator.who, reason)
        return place

    @property
    def low(self) -> int:
        """The smallest number of the output: its zero where a ReLU is fused.

        The largest, 127, is at most 6 where it is a ReLU6, by the scale it is given.
        """
        fused = self.operator.options.get("fused_activation_function", 0)
        is_rectified = schema.ACTIVATIONS[fused] in ("RELU", "RELU6")
        return max(LOW, get_scales(self.output).zero_point) if is_rectified else LOW

    @property
    def zero(self) -> int:
        """The output's zero."""
        return get_scales(self.output).zero_point

    def option(self, name: str) -> int:
        """Return one of the operator's options."""
        return int(self.operator.options[name])


def get_scales(value: Value) -> Scales:
    """Return a value's scales; a graph that is quantized has them all."""
    if value.scales is None:
        raise ValueError(f"'{value.name}' has no scale")
    return value.scales


def lower_graph(graph: Graph) -> Int8KernelProgram:
    """Return a quantized graph as calls of kernels."""
    program = Int8KernelProgram(graph=graph)
    left = Counter(i for op in graph.operators for i in op.inputs)
    left.update(graph.all_outputs)  # which stay until all has run
    readers = {}
    for i in graph.all_inputs:
        program.places[i] = program.space.take(prod(graph.values[i].shape))
        readers[program.places[i]] = left[i]
    for operator in graph.operators:
        output = operator.outputs[0]
        sources = [
            WorkspaceRef(program.places[i]) if i in program.places else None
            for i in operator.inputs
        ]
        if operator.kind == "RESHAPE":
            start = program.places[operator.inputs[0]]
        else:
            start = program.space.take(prod(graph.values[output].shape))
            context = OperatorContext(
                program=program,
                operator=operator,
                inputs=graph.inputs(operator),
                output=graph.values[output],
                sources=sources,
                target=WorkspaceRef(start),
            )
            _writer(operator)(context)
        program.places[output] = start
        readers[start] = readers.get(start, 0) + left[output]
        for place in sources:
            if place is not None:
                readers[place.start] -= 1
        for begin in {start, *(place.start for place in sources if place)}:
            if readers[begin] == 0:
                program.space.free(begin)
                del readers[begin]
    return program


def _get_same_padding(
    context: OperatorContext, size: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of what SAME stands for."""
    if context.option("padding") == schema.VALID:
        return 0, 0, 0, 0
    sides = []
    for axis, n, k, m in zip(
        "hw", context.inputs[0].shape[1:3], size, context.output.shape[1:3], strict=True
    ):
        dilation = int(context.operator.options.get(f"dilation_{axis}_factor", 1))
        extent = dilation * (k - 1) + 1
        total = max((m - 1) * context.option(f"stride_{axis}") + extent - n, 0)
        sides.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _multipliers(
    context: OperatorContext, x: Value, weight: Value
) -> tuple[Array, Array]:
    """Return what brings each channel's sum to the output's scale."""
    product = np.float64(get_scales(x).one) * get_scales(weight).scale.astype(
        np.float64
    )
    pairs = [
        encode_multiplier(float(real))
        for real in product / get_scales(context.output).one
    ]
    return np.asarray([m for m, _ in pairs]), np.asarray([s for _, s in pairs])


def _pack_weights(
    context: OperatorContext, weight: Array, *, runs: tuple[int, int]
) -> tuple[ConstantRef, ...]:
    """Keep what a convolution reads: weights (kh, kw, in, out) in tiles and groups.

    ``runs`` is how often the image is read in one go: rows · cells, and numbers each.
    The kernel adds 128 to every number of x, so that it is not negative.
    """
    kept, run = pack_channels(weight.reshape(*runs, -1), LANES), runs[1]
    kept = np.pad(kept, ((0, 0), (0, 0), (0, -run % GROUP), (0, 0)))
    kept = kept.reshape(len(kept), runs[0], -1, GROUP, LANES).swapaxes(3, 4)
    arrays = _fold_bias(
        context, weight, zero=get_scales(context.inputs[0]).zero_point - LOW
    )
    whole = [pack_channels(array, LANES) for array in arrays]
    return _add_weights(context, kept, *whole)


def _fold_bias(
    context: OperatorContext, weight: Array, *, zero: int
) -> tuple[Array, Array, Array]:
    """Return biases, less what the input's zero makes of weights, and multipliers."""
    (x, w, b), _ = WEIGHTED[context.operator.kind]
    bias = np.asarray(context.inputs[b].array, np.int64)
    bias = bias - zero * weight.astype(np.int64).sum(tuple(range(weight.ndim - 1)))
    return bias, *_multipliers(context, context.inputs[x], context.inputs[w])


def _add_weights(context: OperatorContext, *arrays: Array) -> tuple[ConstantRef, ...]:
    roles = ("weight", "bias", "multiplier", "shift")
    types = ("int8", "int32", "int32", "int8")
    return tuple(map(context.array, roles, arrays, types))


def _conv(context: OperatorContext) -> None:
    x, weight = context.inputs[0], np.asarray(context.inputs[1].array)
    is_depthwise = context.operator.kind == "DEPTHWISE_CONV_2D"
    weight = (
        weight.transpose(1, 2, 0, 3) if is_depthwise else weight.transpose(1, 2, 3, 0)
    )
    _, h, w, c = x.shape
    _, oh, ow, oc = context.output.shape
    kh, kw = weight.shape[:2]
    place, scratch = context.source, None
    around = _get_same_padding(context, (kh, kw))
    if any(around):
        top, left, bottom, right = around
        scratch = context.program.space.take(
            (h + top + bottom) * (w + left + right) * c
        )
        fill = get_scales(x).zero_point
        context.call("pad", place, WorkspaceRef(scratch), h, w, c, *around, fill)
        place, w = WorkspaceRef(scratch), w + left + right
    groups = c // weight.shape[2]
    strides = context.option("stride_h"), context.option("stride_w")
    dilations = context.option("dilation_h_factor"), context.option("dilation_w_factor")
    sizes = (w, c, oh, ow, oc, kh, kw, *strides, *dilations)
    ends = context.zero, context.low
    if groups == 1:
        if kh == kw == 1 and strides == (1, 1):  # pixels are one row
            sizes = (oh * ow, c, 1, oh * ow, oc, kh, kw, *strides, *dilations)
        dense = (kh, kw * c) if dilations[1] == 1 else (kh * kw, c)
        arrays = _pack_weights(context, weight, runs=dense)
        context.call("conv", place, *arrays, context.target, *sizes, _TWICE, *ends)
    else:
        more = _fold_bias(context, weight, zero=get_scales(x).zero_point)
        is_depthwise = groups == c == oc
        if is_depthwise:  # the last tile is read whole
            weight = np.pad(weight.ravel(), (0, SLACK))
        arrays = _add_weights(context, weight, *more)
        if is_depthwise:
            own = (w, c, oh, ow, kh, kw, *strides, *dilations)
            context.call("conv_depthwise", place, *arrays, context.target, *own, *ends)
        else:
            context.call(
                "conv_grouped", place, *arrays, context.target, *sizes, *ends, groups
            )
    if scratch is not None:
        context.program.space.free(scratch)


def _dense(context: OperatorContext) -> None:
    """A convolution of 1 × 1 on as many pixels as there are rows."""
    weight = np.asarray(context.inputs[1].array).T[None, None]
    inputs, units = weight.shape[2:]
    rows = prod(context.output.shape) // units
    arrays = _pack_weights(context, weight, runs=(1, inputs))
    ones = (1,) * 6
    sizes = (rows, inputs, 1, rows, units, *ones, _ONCE, context.zero, context.low)
    context.call("conv", context.source, *arrays, context.target, *sizes)


def _conv_transpose(context: OperatorContext) -> None:
    x, weight = (
        context.inputs[2],
        np.asarray(context.inputs[1].array).transpose(1, 2, 3, 0),
    )
    arrays = _add_weights(context, weight, *_fold_bias(context, weight, zero=0))
    sizes = (*x.shape[1:], *context.output.shape[1:], *weight.shape[:2])
    strides = context.option("stride_h"), context.option("stride_w")
    ends = get_scales(x).zero_point, context.zero, context.low
    context.call(
        "conv_transpose",
        context.source_at(2),
        *arrays,
        context.target,
        *sizes,
        *strides,
        *ends,
    )


def _pool(kernel: str) -> Callable[[OperatorContext], None]:
    def write(context: OperatorContext) -> None:
        size = context.option("filter_height"), context.option("filter_width")
        top, left, _, _ = _get_same_padding(context, size)
        strides = context.option("stride_h"), context.option("stride_w")
        sizes = (
            *context.inputs[0].shape[1:],
            *context.output.shape[1:3],
            *size,
            *strides,
        )
        context.call(kernel, context.source, context.target, *sizes, top, left)

    return write


def _mean(context: OperatorContext) -> None:
    x = context.inputs[0]
    pixels, scales = prod(x.shape[1:-1]), get_scales(x)
    m, shift = encode_multiplier(scales.one / get_scales(context.output).one)
    lift = min(pixels.bit_length() - 1, 32, 31 + shift)
    m, shift = (m << lift) // pixels, shift - lift
    sizes = (pixels, x.shape[-1], scales.zero_point, m, shift, context.zero)
    context.call("mean", context.source, context.target, *sizes)


def _stretched(context: OperatorContext, i: int, scratch: list[int]) -> WorkspaceRef:
    """Return where an operand lies in the output's size; copied there if need be."""
    shape, whole = context.inputs[i].shape, context.output.shape
    if shape == whole:
        return context.source_at(i)
    if len(whole) > 5:
        who = context.operator.who or context.operator.kind
        raise export_error("int8 C", who, "values must have 4 axes at most")
    place = context.program.space.take(prod(whole))
    scratch.append(place)
    shape, whole = ((1,) * (5 - len(n)) + n for n in (shape, whole))
    steps = [prod(shape[k + 1 :]) if shape[k] > 1 else 0 for k in range(1, 5)]
    to = WorkspaceRef(place)
    context.call("stretch", context.source_at(i), to, *whole[1:], *steps)
    return to


def _pair(
    write: Callable[[OperatorContext, tuple[WorkspaceRef, ...]], None],
) -> Callable[[OperatorContext], None]:
    """Return a writer that is given both operands in the output's size, and it."""

    def pair(context: OperatorContext) -> None:
        if None in context.sources:
            _look_up_constant(context)
            return
        scratch: list[int] = []
        operands = (_stretched(context, i, scratch) for i in (0, 1))
        write(context, (*operands, context.target))
        for place in scratch:
            context.program.space.free(place)

    return pair


def _add(context: OperatorContext, places: tuple[WorkspaceRef, ...]) -> None:
    x, z = (get_scales(value) for value in context.inputs)
    twice = 2 * max(x.one, z.one)
    ends = [(s.zero_point, *encode_multiplier(s.one / twice)) for s in (x, z)]
    last = encode_multiplier(twice / (2**20 * get_scales(context.output).one))
    count = prod(context.output.shape)
    context.call(
        "add", *places, count, *ends[0], *ends[1], *last, context.zero, context.low
    )


def _mul(context: OperatorContext, places: tuple[WorkspaceRef, ...]) -> None:
    x, z = (get_scales(value) for value in context.inputs)
    last = encode_multiplier(x.one * z.one / get_scales(context.output).one)
    sizes = (prod(context.output.shape), x.zero_point, z.zero_point, *last)
    context.call("mul", *places, *sizes, context.zero, context.low)


def _quantization(value: Value) -> Quantization:
    scales = get_scales(value)
    return Quantization(scales.one, scales.zero_point)


def _lookup(context: OperatorContext) -> None:
    x, y = map(_quantization, (context.inputs[0], context.output))
    _, table = TABLES[context.operator.kind](x, y, context.operator.options)
    _call_lookup(context, context.source, table)


def _look_up_constant(context: OperatorContext) -> None:
    """Answer a sum or product with a constant number from a table."""
    at = int(context.sources[0] is None)
    x, y = context.inputs[at], _quantization(context.output)
    constant = context.inputs[1 - at]
    other = _quantization(constant)
    number = np.asarray(constant.array, np.int16).ravel() - other.zero_point
    kind = context.operator.kind
    _, rows = with_constant(kind, _quantization(x), y, number, other, is_first=at == 1)
    low = context.low - context.zero
    _call_lookup(context, context.source_at(at), rows[0].clip(low))


def _call_lookup(context: OperatorContext, x: WorkspaceRef, table: Array) -> None:
    kept = context.array("table", table + context.zero, "int8")
    context.call("lookup", x, context.target, prod(context.output.shape), kept)


def _softmax(context: OperatorContext) -> None:
    steps = -get_scales(context.inputs[0]).one * np.arange(256.0)
    exponentials = np.round(_ONE * np.exp(steps))
    table = context.array("table", exponentials, "int32")
    channels = context.output.shape[-1]
    sizes = (prod(context.output.shape) // channels, channels)
    context.call("softmax", context.source, context.target, *sizes, table)


def _concat(context: OperatorContext) -> None:
    """Runs of the axis and all behind it, beside each other."""
    axis = context.operator.options["axis"]
    begin, whole = 0, prod(context.output.shape[axis:])
    for i, value in enumerate(context.inputs):
        run = prod(value.shape[axis:])
        sizes = (prod(value.shape[:axis]), run, whole, begin)
        context.call("concat", context.source_at(i), context.target, *sizes)
        begin += run


def _pad(context: OperatorContext) -> None:
    """Pad height and width; or the last axis, as the width of rows of one element."""
    pairs = np.asarray(context.inputs[1].array).tolist()
    fill = LOW if context.operator.kind == "PADV2" else context.zero
    sizes = context.inputs[0].shape[1:]
    if any(pairs[-1]) or len(pairs) != 4:
        sizes = (prod(sizes[:-1]), sizes[-1], 1)
        pairs = [[0, 0], [0, 0], pairs[-1], [0, 0]]
    (_, (top, bottom), (left, right), _) = pairs
    sides = (top, left, bottom, right)
    context.call("pad", context.source, context.target, *sizes, *sides, fill)


def _crop(context: OperatorContext) -> None:
    (_, top, left, _) = np.asarray(context.inputs[1].array).tolist()
    sizes = (*context.inputs[0].shape[2:], *context.output.shape[1:3], top, left)
    context.call("crop", context.source, context.target, *sizes)


def _move(context: OperatorContext) -> None:
    """TRANSPOSE and STRIDED_SLICE: one strided copy."""
    shape, given = context.inputs[0].shape[1:], np.asarray(context.inputs[1].array)
    numbers = tuple(int(n) for n in given.ravel()[1:])
    step: Step = PermuteStep(tuple(n - 1 for n in numbers))
    if context.operator.kind == "STRIDED_SLICE":
        strides = np.asarray(context.inputs[3].array).ravel()[1:].tolist()
        step = SliceStep(numbers, context.output.shape[1:], tuple(strides))
    x, y = View.dense(shape), View.dense(context.output.shape[1:])
    (move,) = transfers((step,), x, y)
    axes = joined_axes(move)
    if len(axes) > MOST_AXES:
        reason = f"elements must move along at most {MOST_AXES} axes at once"
        raise export_error("C in int8", context.operator.who, reason)
    axes = [(1, 0, 0)] * (MOST_AXES - len(axes)) + axes
    begin = WorkspaceRef(context.source.start + move.source.offset)
    numbers = tuple(number for axis in axes for number in axis)
    context.call("strided_copy", begin, context.target, *numbers)


def _upsample(kernel: str) -> Callable[[OperatorContext], None]:
    def write(context: OperatorContext) -> None:
        before, after = context.inputs[0].shape, context.output.shape
        factors = after[1] // before[1], after[2] // before[2]
        context.call(kernel, context.source, context.target, *before[1:], *factors)

    return write


def _writer(operator: Operator) -> Callable[[OperatorContext], None]:
    """Return what writes an operator; ExchangeError where C has no kernel for it."""
    if operator.kind not in _WRITERS:
        reason = f"{operator.kind} has no kernel there yet"
        raise export_error("C in int8", operator.who, reason)
    return _WRITERS[operator.kind]


_WRITERS: dict[str, Callable[[OperatorContext], None]] = {
    "ADD": _pair(_add),
    "AVERAGE_POOL_2D": _pool("avg_pool"),
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool("max_pool"),
    "MEAN": _mean,
    "MUL": _pair(_mul),
    "PAD": _pad,
    "PADV2": _pad,
    "RESIZE_BILINEAR": _upsample("upsample_bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _upsample("upsample_nearest"),
    "SLICE": _crop,
    "SOFTMAX": _softmax,
    "STRIDED_SLICE": _move,
    "TRANSPOSE": _move,
    "TRANSPOSE_CONV": _conv_transpose,
    **dict.fromkeys(TABLES, _lookup),
}
