"""Comparisons of values that differ, and choices between them, by layers.

Two values are compared by their difference; a choice is ``c · x + (1 − c) · y``: exact,
as long as what is not chosen is finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.conditions import COMPARISONS, truth
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.expression import Expression, fold, math, variable
from pellucid.network.expression.nodes import lift, topological

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder

_X = variable("x")
_LOGIC: dict[str, type[Any]] = {"and": pl.Multiply, "or": pl.Maximum}
#: operators of an expression that a finite number may make infinite, or none
_UNBOUNDED = ("divide", "exp", "expm1", "log", "log1p", "power", "sqrt")


def combine_several(
    builder: NetworkBuilder,
    ref: OperatorRef,
    kind: str,
    values: Sequence[Tensor | Array],
) -> Tensor:
    """Return a comparison of two values, their logic, or a choice between them."""
    if kind == "where":
        return _choose(builder, ref, *values)
    if kind in COMPARISONS:
        apart = _difference(builder, ref.part("apart"), *values)
        layer = pl.Elementwise(COMPARISONS[kind](_X, 0.0))
        return builder.elementwise(ref, apart, layer)
    tensors = [value for value in values if isinstance(value, Tensor)]
    if len(tensors) != len(values):
        ref.refuse("combine two of the network's values, or a value and a number", kind)
    if kind in _LOGIC:
        return builder.arithmetic(ref, _LOGIC[kind](), tensors)
    apart = builder.arithmetic(ref.part("apart"), pl.Subtract(), tensors)
    return builder.elementwise(ref, apart, pl.Elementwise(truth(math.abs(_X) > 0.5)))


def _difference(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor | Array, y: Tensor | Array
) -> Tensor:
    """Return x − y, which is above 0 exactly where x > y."""
    if not isinstance(y, Tensor):
        return builder.affine(ref, _tensor(x), offset=-np.asarray(y, np.float32))
    if isinstance(x, Tensor):
        return builder.arithmetic(ref, pl.Subtract(), [x, y])
    minus = builder.affine(ref.part("minus"), y, scale=np.full(1, -1, np.float32))
    return builder.affine(ref, minus, offset=np.asarray(x, np.float32))


def _tensor(value: Tensor | Array) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError("a value of the network is needed")
    return value


def _choose(
    builder: NetworkBuilder,
    ref: OperatorRef,
    condition: Tensor | Array,
    x: Tensor | Array,
    y: Tensor | Array,
) -> Tensor:
    """Return x where the condition holds, else y."""
    if isinstance(condition, Tensor) and not is_truth(builder, condition.node):
        ref.refuse("choose by a comparison", f"'{condition.node}'")
    for value in (x, y):
        _require_finite(builder, ref, value)
    inverse: Tensor | Array
    if isinstance(condition, Tensor):
        layer = pl.Elementwise(1 - _X)
        inverse = builder.elementwise(ref.part("else"), condition, layer)
    else:
        condition = np.asarray(condition, np.float32)
        inverse = 1 - condition
    taken = _product(builder, ref.part("taken"), condition, x)
    other = _product(builder, ref.part("other"), inverse, y)
    if isinstance(taken, Tensor) and isinstance(other, Tensor):
        return builder.add(ref, [taken, other])
    made, constant = (taken, other) if isinstance(taken, Tensor) else (other, taken)
    return builder.affine(ref, _tensor(made), offset=np.asarray(constant))


def _product(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor | Array, y: Tensor | Array
) -> Tensor | Array:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return builder.arithmetic(ref, pl.Multiply(), [x, y])
    if not isinstance(x, Tensor) and not isinstance(y, Tensor):
        return np.asarray(x * y, np.float32)
    value, constant = (x, y) if isinstance(x, Tensor) else (y, x)
    return builder.affine(ref, _tensor(value), scale=np.asarray(constant, np.float32))


def _require_finite(
    builder: NetworkBuilder, ref: OperatorRef, value: Tensor | Array
) -> None:
    """Refuse to choose from what may be infinite, or no number, where it is not."""
    if not isinstance(value, Tensor):
        if not np.isfinite(value).all():
            ref.refuse("choose from finite numbers", "infinity or none in a constant")
        return
    stack, seen = [value.node], set[str]()
    while stack:
        name = stack.pop()
        node = builder.nodes[name]
        if name in seen or not isinstance(node.layer, pl.Pointwise | pl.Arithmetic):
            continue
        seen.add(name)
        stack.extend(node.inputs)
        if isinstance(node.layer, pl.Elementwise):
            parts = {part.operator for part in topological([node.layer.expression])}
            for operator in sorted(parts.intersection(_UNBOUNDED)):
                ref.refuse(
                    "choose from one value's functions, or from values that are finite "
                    "where they are not chosen",
                    f"{operator} in '{name}'",
                )


def is_truth(builder: NetworkBuilder, name: str) -> bool:
    """Return whether a node's values are ones and zeros."""
    node = builder.nodes[name]
    inputs = (is_truth(builder, before) for before in node.inputs)
    if isinstance(node.layer, pl.Multiply | pl.Maximum | pl.Rearrangement):
        return all(inputs)
    if not isinstance(node.layer, pl.Elementwise):
        return False
    return _is_bit(node.layer.expression, inputs)


def _is_bit(expression: Expression, of_bits: Iterable[bool]) -> bool:
    """Return whether an expression is 0 or 1; of x, if x is, which is asked once."""
    is_bit = cache(lambda: all(of_bits))

    def apply(node: Expression, given: list[bool]) -> bool:
        if node.operator == "subtract":
            return all(given) and node.arguments[0] is lift(1.0)
        if node.operator == "where":
            return all(given[1:])
        return node.operator in ("maximum", "minimum", "multiply") and all(given)

    def leaf(node: Expression) -> bool:
        return is_bit() if node.operator == "variable" else node.value in (0, 1)

    return fold(expression, leaf, apply)
