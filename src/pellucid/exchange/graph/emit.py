"""Build a network from the graph IR: the end of every reader.

An operator of the file goes to its format's own reader; what passes made is here:

* ``gelu gelu_tanh hard_sigmoid hard_swish mish silu softplus`` of x;
* ``clip`` of x (low, high);
* ``layer_norm`` of x (axis, epsilon, scale, offset);
* ``group_norm`` of x (groups, epsilon, scale, offset);
* ``divide_safely`` of x and d: 0 where d is 0;
* ``mean`` (axes, keepdims);
* ``channel_shuffle`` (axis, groups), ``enlarge`` (factors);
* ``reshape`` and ``transpose`` (perm), which views are.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph import relayout
from pellucid.exchange.graph.composing import compose
from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.reductions import reduce
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.composites import Composer, ReduceMean
from pellucid.network.composites.padding import repeat_each
from pellucid.network.expression import Expression, math
from pellucid.network.layers import Layer, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What an operator's reader is told besides its inputs.

    ``readers`` are the names of operators that read the output; ``is_sole_reader``
    says that nothing else reads what the operator reads. ``read_outputs`` are its
    outputs that anything reads.
    """

    builder: NetworkBuilder
    readers: frozenset[str]
    is_sole_reader: bool
    read_outputs: frozenset[str] = frozenset()


ReadForeign = Callable[[Operator, list[Any], Context], Any]


def emit(
    graph: Graph,
    builder: NetworkBuilder,
    values: MutableMapping[str, Any],
    read: ReadForeign,
) -> None:
    """Add the layers of a graph's operators; ``values`` has the network's inputs."""
    for operator in graph.operators:
        inputs = [_value(graph, operator, values, name) for name in operator.inputs]
        context = Context(
            builder=builder,
            readers=frozenset(map(_name, graph.readers(operator.output))),
            is_sole_reader=all(
                graph.count(name) == 1
                for name, value in zip(operator.inputs, inputs, strict=True)
                if isinstance(value, Tensor)  # constants may be shared
            ),
            read_outputs=frozenset(filter(graph.count, operator.outputs)),
        )
        if operator.foreign is not None:
            result = read(operator, inputs, context)
        else:
            shape = graph.shapes.get(operator.output, ())
            result = _MADE[operator.kind](_Made(operator, inputs, builder, shape))
        if isinstance(result, list):  # of several outputs, those that have a name
            values.update(zip(operator.outputs, result, strict=False))
            continue
        # a view of its own, so that no later reader is mistaken for the only one
        is_same = any(result is value for value in inputs)
        values[operator.output] = (
            replace(result) if is_same and isinstance(result, Tensor) else result
        )


def _name(operator: Operator) -> str:
    """Return what the file calls an operator; its kind where a pass made it."""
    return operator.kind if operator.foreign is None else operator.ref.operator


def _value(
    graph: Graph, operator: Operator, values: MutableMapping[str, Any], name: str
) -> Any:
    if not name:
        return None
    if name in graph.constants:
        return graph.constants[name]
    if name not in values:
        operator.ref.refuse("read values that exist", repr(name))
    return values[name]


@dataclass(frozen=True, slots=True)
class _Made:
    """An operator that a pass made, and the values that it reads."""

    operator: Operator
    inputs: list[Any]
    builder: NetworkBuilder
    shape: Shape

    @property
    def ref(self) -> OperatorRef:
        return self.operator.ref

    @property
    def x(self) -> Tensor:
        value = self.inputs[0]
        if not isinstance(value, Tensor):
            self.ref.refuse("read the network's value", type(value).__name__)
        return value


def _elementwise(kind: Callable[[], Layer]) -> Callable[[_Made], Tensor]:
    return lambda made: made.builder.elementwise(made.ref, made.x, kind())


def _scale_and_offset(made: _Made, x: Tensor) -> dict[str, Array]:
    """Return the weights of a norm, where it has none ones and zeros."""
    ones = np.ones(x.shape[-1], np.float32)
    weights = {"scale": ones, "offset": ones * 0}
    for role in weights:
        given = made.operator.attributes[role]
        if given is not None:
            array = given.astype(np.float32)
            weights[role] = made.builder.per_channel(made.ref, x, array)
    return weights


def _layer_norm(made: _Made) -> Tensor:
    given, x, builder = made.operator.attributes, made.x, made.builder
    builder.channels(made.ref, x, given["axis"])
    weights = _scale_and_offset(made, x)
    layer = pl.LayerNorm(epsilon=given["epsilon"])
    return builder.normalization(made.ref, x, layer, weights)


def _group_norm(made: _Made) -> Tensor:
    given, x, builder = made.operator.attributes, made.x, made.builder
    layer = pl.GroupNorm(given["groups"], epsilon=given["epsilon"])
    weights = _scale_and_offset(made, x)
    return builder.group_normalization(made.ref, x, layer, weights)


def _mean(made: _Made) -> Tensor:
    x, given = made.x, made.operator.attributes
    own = {x.axis(axis) for axis in given["axes"]}
    is_image = x.axes == made.builder.image_axes
    if not is_image or own != {1, 2}:
        axes, keepdims = given["axes"], given["keepdims"]
        return reduce(made.builder, made.ref, x, ReduceMean, axes, keepdims=keepdims)
    if given["keepdims"]:
        return made.builder.global_average(made.ref, x, as_image=True)
    return made.builder.global_mean(made.ref, x)


def _channel_shuffle(made: _Made) -> Tensor:
    """Exchange groups: of channels by their layer, of another axis step by step."""
    axis, groups = (made.operator.attributes[name] for name in ("axis", "groups"))
    x, builder, ref = made.x, made.builder, made.ref
    shape = x.foreign_shape
    if x.order is None and x.axes[axis] == len(x.shape) > 1:
        return builder.layer(ref, pl.ChannelShuffle(groups), [x])
    split = (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
    order = list(range(len(split)))
    order[axis], order[axis + 1] = axis + 1, axis
    parts = builder.reshape(ref.part("groups"), x, split)
    return builder.reshape(ref, builder.transpose(ref, parts, order), shape)


def _clip(made: _Made) -> Tensor:
    given = made.operator.attributes
    return made.builder.clip(made.ref, made.x, given["low"], given["high"])


def _enlarge(made: _Made) -> Tensor:
    """Repeat each element: of an image's pixels, or of other axes."""
    x, factors = made.x, made.operator.attributes["factors"]
    own = {x.axis(i): factor for i, factor in enumerate(factors) if factor != 1}
    if len(x.shape) == 3 and set(own) <= {1, 2}:
        layer = pl.Upsample2D((own.get(1, 1), own.get(2, 1)))
        return made.builder.layer(made.ref, layer, [x])
    if 0 in own or None in own:
        made.ref.refuse("repeat elements of axes that a layer has", f"{factors}")
    x = relayout.in_order(made.builder, made.ref, x)

    def place(composer: Composer[Tensor], value: Tensor) -> Tensor:
        for axis, factor in own.items():
            value = repeat_each(composer, value, (axis or 0) - 1, factor)
        return value

    enlarged = compose(made.builder, made.ref, x, place)
    return replace(x, node=enlarged.node, shape=enlarged.shape)


def _divide_safely(made: _Made) -> Tensor:
    """Multiply by the reciprocal, which is 0 where the divisor is."""
    divisor = made.inputs[1]
    if not isinstance(divisor, Tensor):
        made.ref.refuse("divide by the network's value", type(divisor).__name__)

    def reciprocal(x: Expression) -> Expression:
        is_divisor = math.abs(x) > 0
        return math.where(is_divisor, 1 / math.where(is_divisor, x, 1.0), 0.0)

    inverse = made.builder.elementwise(
        made.ref.part("reciprocal"), divisor, pl.Elementwise(reciprocal)
    )
    return made.builder.arithmetic(made.ref, pl.Multiply(), [made.x, inverse])


def _reshape(made: _Made) -> Tensor:
    return made.builder.reshape(made.ref, made.x, made.shape)


def _transpose(made: _Made) -> Tensor:
    order = made.operator.attributes["perm"]
    return made.builder.transpose(made.ref, made.x, order)


_MADE: dict[str, Callable[[_Made], Tensor]] = {
    "channel_shuffle": _channel_shuffle,
    "clip": _clip,
    "divide_safely": _divide_safely,
    "enlarge": _enlarge,
    "gelu": _elementwise(pl.GELU),
    "gelu_tanh": _elementwise(pl.gelu_tanh),
    "group_norm": _group_norm,
    "hard_sigmoid": _elementwise(pl.HardSigmoid),
    "hard_swish": _elementwise(pl.HardSwish),
    "layer_norm": _layer_norm,
    "mean": _mean,
    "mish": _elementwise(pl.Mish),
    "reshape": _reshape,
    "silu": _elementwise(pl.SiLU),
    "softplus": _elementwise(pl.Softplus),
    "transpose": _transpose,
}
