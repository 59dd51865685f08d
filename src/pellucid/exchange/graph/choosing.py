"""Comparisons, and choices by them, of functions of one value: one expression.

A condition is a value of ones and zeros here. Where everything is a function of the
same elements, a choice never sees what it does not choose; where values differ, see
`selecting`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import NetworkError
from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.conditions import CONDITIONS
from pellucid.exchange.graph.selecting import combine_several
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, fold, variable
from pellucid.network.expression.nodes import build

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

_X = variable("x")
_MOST_STEPS = 64
_PAIRS: dict[type[Any], str] = {
    pl.Add: "add",
    pl.Maximum: "maximum",
    pl.Multiply: "multiply",
    pl.Subtract: "subtract",
}


def combine(
    builder: NetworkBuilder,
    ref: OperatorRef,
    kind: str,
    values: Sequence[Tensor | Array],
) -> Tensor:
    """Return a comparison of values, a choice among them, or their logic.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
    kind : str
        and, equal, greater, greater_equal, less, less_equal, not, not_equal, or,
        where, xor.
    values : sequence of Tensor or array
        One Tensor at least.
    """
    if not any(isinstance(value, Tensor) for value in values):
        ref.refuse("combine the network's values and numbers", f"{len(values)} values")
    made = _as_one(builder, ref, CONDITIONS[kind], values)
    return made or combine_several(builder, ref, kind, values)


def _as_one(
    builder: NetworkBuilder,
    ref: OperatorRef,
    function: Callable[..., Expression],
    values: Sequence[Tensor | Array],
) -> Tensor | None:
    """Return a function of functions of one value, and of numbers; None elsewhere."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    numbers = [value for value in values if not isinstance(value, Tensor)]
    first = tensors[0]
    if any(np.size(number) != 1 for number in numbers):
        return None
    if not all(first.same_layout(x) for x in tensors):
        return None
    for stop in _bases(builder, first.node):
        known: dict[str, Expression | None] = {stop: _X}
        found = [
            float(np.reshape(value, -1)[0])
            if not isinstance(value, Tensor)
            else _expression(builder, value.node, known)
            for value in values
        ]
        if all(part is not None for part in found):
            break
    else:
        return None
    try:
        layer = pl.Elementwise(function(*found))
    except NetworkError as error:
        ref.refuse("be an expression of finite numbers and usual size", str(error)[:-1])
    base = replace(first, node=stop, shape=builder.shapes[stop])
    return builder.elementwise(ref, base, layer)


def _bases(builder: NetworkBuilder, node: str) -> list[str]:
    """Return a node and those that it may be a function of, nearest first."""
    found = [node]
    while True:
        made = builder.nodes[found[-1]]
        is_function = isinstance(made.layer, (pl.Pointwise, pl.BatchNorm, *_PAIRS))
        if not is_function or len(found) > _MOST_STEPS:
            return found
        found.append(made.inputs[0])


def _expression(
    builder: NetworkBuilder, node: str, known: dict[str, Expression | None]
) -> Expression | None:
    """Return a node as a function of another, which is known; None where it is none."""
    if node not in known:
        made = builder.nodes[node]
        inner = [_expression(builder, name, known) for name in made.inputs]
        parts = [part for part in inner if part is not None]
        is_whole = bool(parts) and len(parts) == len(inner)
        known[node] = _apply(builder, node, parts) if is_whole else None
    return known[node]


def _apply(
    builder: NetworkBuilder, node: str, parts: list[Expression]
) -> Expression | None:
    """Return a node as a function of its inputs, which are expressions."""
    layer = builder.nodes[node].layer
    if isinstance(layer, pl.Pointwise):
        return _substitute(layer.expression, parts[0])
    kind = _PAIRS.get(type(layer))
    if kind is not None:
        return reduce(lambda total, part: build(kind, total, part), parts)
    return _affine(builder, node, parts[0])


def _affine(builder: NetworkBuilder, node: str, x: Expression) -> Expression | None:
    """Return the product and sum that a frozen BatchNorm without statistics is."""
    layer = builder.nodes[node].layer
    is_plain = isinstance(layer, pl.BatchNorm) and layer.epsilon == 0
    if not is_plain or builder.weights[f"{node}.running_mean"].any():
        return None
    scale, offset = (builder.weights[f"{node}.{role}"] for role in ("scale", "offset"))
    if (scale != scale[0]).any() or (offset != offset[0]).any():
        return None
    scaled = x if scale[0] == 1 else x * float(scale[0])
    return scaled if offset[0] == 0 else scaled + float(offset[0])


def _substitute(expression: Expression, x: Expression) -> Expression:
    return fold(
        expression,
        lambda leaf: x if leaf.operator == "variable" else leaf,
        lambda node, given: build(node.operator, *given),
    )
