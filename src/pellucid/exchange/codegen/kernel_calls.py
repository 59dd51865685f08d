"""This file is a network as calls of kernels, for the languages it is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.codegen.memory_plan import Plan, Step, pads_of, plan
from pellucid.exchange.codegen.weight_packing import bias_of, scale_and_shift, tiled
from pellucid.network import layers as pl
from pellucid.network.layers import Layer
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
Weights = dict[str, Array]


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the workspace, in numbers from its beginning."""

    start: int


@dataclass(frozen=True, slots=True)
class Constant:
    """The name of a constant array."""

    name: str


Argument = Place | Constant | int | float


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a kernel, for one node."""

    node: str
    kernel: str
    arguments: tuple[Argument, ...]


@dataclass(slots=True)
class Program:
    """Calls in order, the constant arrays they name, and the plan of the workspace.

    ``lanes`` is the number of channels that the language's kernels compute at once.
    """

    plan: Plan
    lanes: int
    calls: list[Call] = field(default_factory=list)
    arrays: dict[str, Array] = field(default_factory=dict)

    @property
    def kernels(self) -> set[str]:
        """The kernels that are called."""
        return {call.kernel for call in self.calls}

    def call(self, step: Step, kernel: str, *arguments: Argument) -> None:
        """Call a kernel."""
        self.calls.append(Call(step.node.name, kernel, arguments))

    def array(self, step: Step, role: str, array: Array) -> Constant:
        """Keep a constant array."""
        name = f"{step.node.name}_{role}_"
        self.arrays[name] = np.asarray(array, np.float32)
        return Constant(name)

    def tiles(self, step: Step, role: str, array: Array) -> Constant:
        """Keep an array in tiles of output channels."""
        return self.array(step, role, tiled(array, self.lanes))


def program(file: ModelFile, *, lanes: int) -> Program:
    """Return a model as calls of kernels."""
    made = Program(plan(file.network), lanes)
    for step in made.plan.steps:
        weights = {
            spec.role: np.asarray(file.weights[f"{step.node.name}.{spec.role}"])
            for spec in step.layer.weights(*step.shapes)
        }
        _WRITERS[type(step.layer)](made, step, weights)
    return made


def comment(text: str) -> str:
    """Return text that cannot end the comment it stands in."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in text)
    return plain.replace("*/", "* /").replace("\\", "/")


def _places(step: Step) -> tuple[Place, Place]:
    return Place(step.sources[0]), Place(step.target)


def _conv(made: Program, step: Step, weights: Weights) -> None:
    layer, (h, w, c), (oh, ow, oc) = step.layer, step.shapes[0], step.shape
    x, y = _places(step)
    if step.scratch is not None:
        top, left, bottom, right = pads_of(layer, step.shapes[0])
        padded = Place(step.scratch)
        made.call(step, "pad", x, padded, h, w, c, top, left, bottom, right)
        x, w = padded, left + w + right
    sizes = (w, c, oh, ow, oc, *layer.kernel, *layer.strides, *layer.dilations)
    bias, weight = bias_of(weights, oc), weights["weight"]
    if layer.groups == 1:
        arrays = made.tiles(step, "weight", weight), made.tiles(step, "bias", bias)
        made.call(step, "conv", x, *arrays, y, *sizes)
    else:
        arrays = made.array(step, "weight", weight), made.array(step, "bias", bias)
        made.call(step, "conv_grouped", x, *arrays, y, *sizes, layer.groups)


def _conv_transpose(made: Program, step: Step, weights: Weights) -> None:
    layer, (x, y) = step.layer, _places(step)
    top, left, _, _ = pads_of(layer, step.shapes[0])
    weight = made.array(step, "weight", weights["weight"])
    bias = made.array(step, "bias", bias_of(weights, step.shape[2]))
    sizes = (*step.shapes[0], *step.shape, *layer.kernel, *layer.strides)
    more = (*layer.dilations, layer.groups, top, left)
    made.call(step, "conv_transpose", x, weight, bias, y, *sizes, *more)


def _dense(made: Program, step: Step, weights: Weights) -> None:
    (x, y), units = _places(step), step.shape[-1]
    weight = made.tiles(step, "weight", weights["weight"])
    bias = made.tiles(step, "bias", bias_of(weights, units))
    sizes = (prod(step.shape[:-1]), step.shapes[0][-1], units)
    made.call(step, "dense", x, weight, bias, y, *sizes)


def _pool(kernel: str) -> Callable[[Program, Step, Weights], None]:
    def write(made: Program, step: Step, weights: Weights) -> None:
        layer = step.layer
        top, left, _, _ = pads_of(layer, step.shapes[0])
        sizes = (*step.shapes[0], *step.shape[:2], *layer.kernel, *layer.strides)
        made.call(step, kernel, *_places(step), *sizes, top, left)

    return write


def _global_avg_pool(made: Program, step: Step, weights: Weights) -> None:
    h, w, c = step.shapes[0]
    made.call(step, "global_avg_pool", *_places(step), h * w, c)


def _batch_norm(made: Program, step: Step, weights: Weights) -> None:
    scale, shift = scale_and_shift(weights, step.layer.epsilon)
    arrays = made.array(step, "scale", scale), made.array(step, "shift", shift)
    sizes = (prod(step.shape[:-1]), step.shape[-1])
    made.call(step, "scale_shift", *_places(step), *arrays, *sizes)


def _layer_norm(made: Program, step: Step, weights: Weights) -> None:
    arrays = [made.array(step, role, weights[role]) for role in ("scale", "offset")]
    sizes = (prod(step.shape[:-1]), step.shape[-1])
    made.call(step, "layer_norm", *_places(step), *arrays, *sizes, step.layer.epsilon)


def _local_response_norm(made: Program, step: Step, weights: Weights) -> None:
    layer, channels = step.layer, step.shape[-1]
    sizes = (prod(step.shape[:-1]), channels, layer.reach(channels))
    numbers = (float(layer.alpha / layer.size), layer.beta, layer.bias)
    made.call(step, "local_response_norm", *_places(step), *sizes, *numbers)


def _elementwise(kernel: str) -> Callable[[Program, Step, Weights], None]:
    def write(made: Program, step: Step, weights: Weights) -> None:
        made.call(step, kernel, *_places(step), prod(step.shape))

    return write


def _leaky_relu(made: Program, step: Step, weights: Weights) -> None:
    slope = float(step.layer.slope)
    made.call(step, "leaky_relu", *_places(step), prod(step.shape), slope)


def _softmax(made: Program, step: Step, weights: Weights) -> None:
    sizes = (prod(step.shape[:-1]), step.shape[-1])
    made.call(step, "softmax", *_places(step), *sizes)


def _add(made: Program, step: Step, weights: Weights) -> None:
    first, target = _places(step)
    for other in step.sources[1:]:
        made.call(step, "add", first, Place(other), target, prod(step.shape))
        first = target


def _concat(made: Program, step: Step, weights: Weights) -> None:
    begin, channels = 0, step.shape[-1]
    for source, shape in zip(step.sources, step.shapes, strict=True):
        sizes = (prod(shape[:-1]), shape[-1], channels, begin)
        made.call(step, "concat", Place(source), Place(step.target), *sizes)
        begin += shape[-1]


def _zero_pad(made: Program, step: Step, weights: Weights) -> None:
    (top, bottom), (left, right) = step.layer.sides
    sides = (top, left, bottom, right)
    made.call(step, "pad", *_places(step), *step.shapes[0], *sides)


def _upsample(made: Program, step: Step, weights: Weights) -> None:
    sizes = (*step.shapes[0], *step.layer.factors)
    made.call(step, f"upsample_{step.layer.mode}", *_places(step), *sizes)


def _view(made: Program, step: Step, weights: Weights) -> None:
    """Flatten and Dropout: the numbers stay where they are."""


_WRITERS: dict[type[Layer], Callable[[Program, Step, Weights], None]] = {
    pl.Add: _add,
    pl.AvgPool2D: _pool("avg_pool"),
    pl.BatchNorm: _batch_norm,
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
    pl.ReLU: _elementwise("relu"),
    pl.SiLU: _elementwise("silu"),
    pl.Sigmoid: _elementwise("sigmoid"),
    pl.Softmax: _softmax,
    pl.Tanh: _elementwise("tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: _zero_pad,
}
