"""This file is a graph of int8 as calls of kernels on one workspace of bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.c_int8.kernels import GROUP, LANES
from pellucid.exchange.codegen.kernel_calls import Argument, Call, Constant, Place
from pellucid.exchange.codegen.memory_plan import Space
from pellucid.exchange.codegen.weight_packing import tiled
from pellucid.exchange.int8.arithmetic import LOW, multiplier
from pellucid.exchange.int8.quantize import WEIGHTED
from pellucid.exchange.int8.tables import TABLES, exponentials
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Graph, Operator, Scales, Value

Array = npt.NDArray[Any]
_TWICE, _ONCE = 0, 1  # how often LiteRT's kernels round a product


@dataclass(slots=True, kw_only=True)
class Calls:
    """Calls in order, the constant arrays they name, and the workspace's places."""

    graph: Graph
    space: Space = field(default_factory=Space)
    calls: list[Call] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)

    @property
    def kernels(self) -> set[str]:
        """The kernels that are called."""
        return {call.kernel for call in self.calls}


@dataclass(slots=True, kw_only=True)
class Site:
    """One operator while its calls are made."""

    made: Calls
    operator: Operator
    inputs: list[Value]
    output: Value
    sources: list[Place | None]
    target: Place

    def call(self, kernel: str, *arguments: Argument) -> None:
        """Call a kernel."""
        name = re.sub(r"[^A-Za-z0-9_;]", "_", self.output.name)
        self.made.calls.append(Call(name, kernel, arguments))

    def array(self, role: str, array: Array, dtype: str) -> Constant:
        """Keep a constant array."""
        name = re.sub(r"\W", "_", self.output.name.split(";")[0], flags=re.ASCII)
        name = f"{name}_{role}_{len(self.made.arrays)}"
        self.made.arrays[name] = np.asarray(array).astype(dtype)
        return Constant(name)

    @property
    def source(self) -> Place:
        """Where the first input lies."""
        return self.source_at(0)

    def source_at(self, i: int) -> Place:
        """Return where an input lies."""
        place = self.sources[i]
        if place is None:
            raise ValueError(f"input {i} of {self.operator.kind} is a constant")
        return place

    @property
    def low(self) -> int:
        """The smallest number of the output: its zero where a ReLU is fused."""
        fused = self.operator.options.get("fused_activation_function", 0)
        is_rectified = schema.ACTIVATIONS[fused] == "RELU"
        return max(LOW, scales_of(self.output).zero_point) if is_rectified else LOW

    @property
    def zero(self) -> int:
        """The output's zero."""
        return scales_of(self.output).zero_point

    def option(self, name: str) -> int:
        """Return one of the operator's options."""
        return int(self.operator.options[name])


def scales_of(value: Value) -> Scales:
    """Return a value's scales; a graph that is quantized has them all."""
    if value.scales is None:
        raise ValueError(f"'{value.name}' has no scale")
    return value.scales


def calls_of(graph: Graph) -> Calls:
    """Return a quantized graph as calls of kernels."""
    made = Calls(graph=graph)
    left = Counter(i for op in graph.operators for i in op.inputs)
    left[graph.output] += 1
    made.places[graph.input] = made.space.take(prod(graph.values[graph.input].shape))
    readers = {made.places[graph.input]: left[graph.input]}
    for operator in graph.operators:
        output = operator.outputs[0]
        sources = [
            Place(made.places[i]) if i in made.places else None for i in operator.inputs
        ]
        if operator.kind == "RESHAPE":
            start = made.places[operator.inputs[0]]
        else:
            start = made.space.take(prod(graph.values[output].shape))
            site = Site(
                made=made,
                operator=operator,
                inputs=graph.inputs(operator),
                output=graph.values[output],
                sources=sources,
                target=Place(start),
            )
            _WRITERS[operator.kind](site)
        made.places[output] = start
        readers[start] = readers.get(start, 0) + left[output]
        for place in sources:
            if place is not None:
                readers[place.start] -= 1
        for begin in {start, *(place.start for place in sources if place)}:
            if readers[begin] == 0:
                made.space.free(begin)
                del readers[begin]
    return made


def _around(site: Site, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of what SAME stands for."""
    if site.option("padding") == schema.VALID:
        return 0, 0, 0, 0
    sides = []
    for axis, n, k, m in zip(
        "hw", site.inputs[0].shape[1:3], size, site.output.shape[1:3], strict=True
    ):
        dilation = int(site.operator.options.get(f"dilation_{axis}_factor", 1))
        extent = dilation * (k - 1) + 1
        total = max((m - 1) * site.option(f"stride_{axis}") + extent - n, 0)
        sides.append((total // 2, total - total // 2))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right


def _multipliers(site: Site, x: Value, weight: Value) -> tuple[Array, Array]:
    """Return what brings each channel's sum to the output's scale."""
    product = np.float64(scales_of(x).one) * scales_of(weight).scale.astype(np.float64)
    pairs = [multiplier(float(real)) for real in product / scales_of(site.output).one]
    return np.asarray([m for m, _ in pairs]), np.asarray([s for _, s in pairs])


def _tiled(site: Site, weight: Array, *, runs: tuple[int, int]) -> tuple[Constant, ...]:
    """Keep what a convolution reads: weights (kh, kw, in, out) in tiles and groups.

    ``runs`` is how often the image is read in one go: rows · cells, and numbers each.
    The kernel adds 128 to every number of x, so that it is not negative.
    """
    kept, run = tiled(weight.reshape(*runs, -1), LANES), runs[1]
    kept = np.pad(kept, ((0, 0), (0, 0), (0, -run % GROUP), (0, 0)))
    kept = kept.reshape(len(kept), runs[0], -1, GROUP, LANES).swapaxes(3, 4)
    arrays = _arrays(site, weight, zero=scales_of(site.inputs[0]).zero_point - LOW)
    whole = [tiled(array, LANES) for array in arrays]
    return _kept(site, kept, *whole)


def _arrays(site: Site, weight: Array, *, zero: int) -> tuple[Array, Array, Array]:
    """Return biases, less what the input's zero makes of weights, and multipliers."""
    (x, w, b), _ = WEIGHTED[site.operator.kind]
    bias = np.asarray(site.inputs[b].array, np.int64)
    bias = bias - zero * weight.astype(np.int64).sum(tuple(range(weight.ndim - 1)))
    return bias, *_multipliers(site, site.inputs[x], site.inputs[w])


def _kept(site: Site, *arrays: Array) -> tuple[Constant, ...]:
    roles = ("weight", "bias", "multiplier", "shift")
    types = ("int8", "int32", "int32", "int8")
    return tuple(map(site.array, roles, arrays, types))


def _conv(site: Site) -> None:
    x, weight = site.inputs[0], np.asarray(site.inputs[1].array)
    is_depthwise = site.operator.kind == "DEPTHWISE_CONV_2D"
    weight = (
        weight.transpose(1, 2, 0, 3) if is_depthwise else weight.transpose(1, 2, 3, 0)
    )
    _, h, w, c = x.shape
    _, oh, ow, oc = site.output.shape
    kh, kw = weight.shape[:2]
    place, scratch = site.source, None
    around = _around(site, (kh, kw))
    if any(around):
        top, left, bottom, right = around
        scratch = site.made.space.take((h + top + bottom) * (w + left + right) * c)
        fill = scales_of(x).zero_point
        site.call("pad", place, Place(scratch), h, w, c, *around, fill)
        place, w = Place(scratch), w + left + right
    groups = c // weight.shape[2]
    strides = site.option("stride_h"), site.option("stride_w")
    dilations = site.option("dilation_h_factor"), site.option("dilation_w_factor")
    sizes = (w, c, oh, ow, oc, kh, kw, *strides, *dilations)
    ends = site.zero, site.low
    if groups == 1:
        dense = (kh, kw * c) if dilations[1] == 1 else (kh * kw, c)
        arrays = _tiled(site, weight, runs=dense)
        site.call("conv", place, *arrays, site.target, *sizes, _TWICE, *ends)
    else:
        more = _arrays(site, weight, zero=scales_of(x).zero_point)
        arrays = _kept(site, weight, *more)
        site.call("conv_grouped", place, *arrays, site.target, *sizes, *ends, groups)
    if scratch is not None:
        site.made.space.free(scratch)


def _dense(site: Site) -> None:
    """A convolution of 1 × 1 on as many pixels as there are rows."""
    weight = np.asarray(site.inputs[1].array).T[None, None]
    inputs, units = weight.shape[2:]
    rows = prod(site.output.shape) // units
    arrays = _tiled(site, weight, runs=(1, inputs))
    ones = (1,) * 6
    sizes = (rows, inputs, 1, rows, units, *ones, _ONCE, site.zero, site.low)
    site.call("conv", site.source, *arrays, site.target, *sizes)


def _conv_transpose(site: Site) -> None:
    x, weight = site.inputs[2], np.asarray(site.inputs[1].array).transpose(1, 2, 3, 0)
    arrays = _kept(site, weight, *_arrays(site, weight, zero=0))
    sizes = (*x.shape[1:], *site.output.shape[1:], *weight.shape[:2])
    strides = site.option("stride_h"), site.option("stride_w")
    ends = scales_of(x).zero_point, site.zero, site.low
    site.call(
        "conv_transpose",
        site.source_at(2),
        *arrays,
        site.target,
        *sizes,
        *strides,
        *ends,
    )


def _pool(kernel: str) -> Callable[[Site], None]:
    def write(site: Site) -> None:
        size = site.option("filter_height"), site.option("filter_width")
        top, left, _, _ = _around(site, size)
        strides = site.option("stride_h"), site.option("stride_w")
        sizes = (*site.inputs[0].shape[1:], *site.output.shape[1:3], *size, *strides)
        site.call(kernel, site.source, site.target, *sizes, top, left)

    return write


def _mean(site: Site) -> None:
    x = site.inputs[0]
    pixels, scales = prod(x.shape[1:-1]), scales_of(x)
    m, shift = multiplier(scales.one / scales_of(site.output).one)
    lift = min(pixels.bit_length() - 1, 32, 31 + shift)
    m, shift = (m << lift) // pixels, shift - lift
    sizes = (pixels, x.shape[-1], scales.zero_point, m, shift, site.zero)
    site.call("mean", site.source, site.target, *sizes)


def _add(site: Site) -> None:
    x, z = (scales_of(value) for value in site.inputs)
    twice = 2 * max(x.one, z.one)
    ends = [(s.zero_point, *multiplier(s.one / twice)) for s in (x, z)]
    last = multiplier(twice / (2**20 * scales_of(site.output).one))
    places = site.source, site.source_at(1), site.target
    count = prod(site.output.shape)
    site.call("add", *places, count, *ends[0], *ends[1], *last, site.zero, site.low)


def _mul(site: Site) -> None:
    x, z = (scales_of(value) for value in site.inputs)
    last = multiplier(x.one * z.one / scales_of(site.output).one)
    places = site.source, site.source_at(1), site.target
    sizes = (prod(site.output.shape), x.zero_point, z.zero_point, *last)
    site.call("mul", *places, *sizes, site.zero, site.low)


def _lookup(site: Site) -> None:
    x, y = scales_of(site.inputs[0]), scales_of(site.output)
    table = TABLES[site.operator.kind](x, y, site.operator.options)
    kept = site.array("table", table, "int8")
    site.call("lookup", site.source, site.target, prod(site.output.shape), kept)


def _softmax(site: Site) -> None:
    table = site.array("table", exponentials(scales_of(site.inputs[0])), "int32")
    channels = site.output.shape[-1]
    sizes = (prod(site.output.shape) // channels, channels)
    site.call("softmax", site.source, site.target, *sizes, table)


def _concat(site: Site) -> None:
    begin, channels = 0, site.output.shape[-1]
    for i, value in enumerate(site.inputs):
        sizes = (prod(value.shape[:-1]), value.shape[-1], channels, begin)
        site.call("concat", site.source_at(i), site.target, *sizes)
        begin += value.shape[-1]


def _pad(site: Site) -> None:
    (_, (top, bottom), (left, right), _) = np.asarray(site.inputs[1].array).tolist()
    sides = (top, left, bottom, right)
    fill = LOW if site.operator.kind == "PADV2" else site.zero
    sizes = site.inputs[0].shape[1:]
    site.call("pad", site.source, site.target, *sizes, *sides, fill)


def _crop(site: Site) -> None:
    (_, top, left, _) = np.asarray(site.inputs[1].array).tolist()
    sizes = (*site.inputs[0].shape[2:], *site.output.shape[1:3], top, left)
    site.call("crop", site.source, site.target, *sizes)


def _upsample(kernel: str) -> Callable[[Site], None]:
    def write(site: Site) -> None:
        before, after = site.inputs[0].shape, site.output.shape
        factors = after[1] // before[1], after[2] // before[2]
        site.call(kernel, site.source, site.target, *before[1:], *factors)

    return write


_WRITERS: dict[str, Callable[[Site], None]] = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _pool("avg_pool"),
    "CONCATENATION": _concat,
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _conv,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool("max_pool"),
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "PADV2": _pad,
    "RESIZE_BILINEAR": _upsample("upsample_bilinear"),
    "RESIZE_NEAREST_NEIGHBOR": _upsample("upsample_nearest"),
    "SLICE": _crop,
    "SOFTMAX": _softmax,
    "TRANSPOSE_CONV": _conv_transpose,
    **dict.fromkeys(TABLES, _lookup),
}
