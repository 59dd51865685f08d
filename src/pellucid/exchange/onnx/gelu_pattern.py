"""Recognize a GELU that is decomposed into Erf and arithmetic.

``x · ½ · (1 + erf(x / √2))`` comes in any order of its factors. While it is read, its
parts are `Partial`s: a factor, x or not, and how far the Erf is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isclose, sqrt
from typing import Any

import numpy as np

from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.network import layers as pl


@dataclass(frozen=True, slots=True)
class Partial:
    """``factor · [x ·] (erf(x / √2) [+ 1])``, while it is not yet a layer."""

    x: Tensor
    factor: float = 1.0
    has_one: bool = False
    has_x: bool = False


def erf(op: OperatorView) -> Partial:
    """Begin: the input must be x / √2."""
    return Partial(_find_scaled(op, 1 / sqrt(2)))


def erfc(op: OperatorView) -> Partial:
    """Begin: 1 + erf(x / √2) is erfc(−x / √2), which the input must be."""
    return Partial(_find_scaled(op, -1 / sqrt(2)), has_one=True)


def _find_scaled(op: OperatorView, wanted: float) -> Tensor:
    """Return the x of x · wanted; the product may be of several steps."""
    x, factor = op.tensor(), 1.0
    while not isclose(factor, wanted, rel_tol=1e-6):
        before, step = _undo_scale(op, x)
        if before is x:
            op.refuse(f"be a part of GELU, and read x · {wanted:g}", f"x · {factor:g}")
        x, factor = before, factor * step
    return x


def add_one(
    op: OperatorView, values: Sequence[Any], constants: Sequence[Array]
) -> Partial:
    """Add the 1; where the Erf has been multiplied by a factor, the factor."""
    part: Partial = values[0]
    is_number = len(constants) == 1 and constants[0].size == 1
    one = float(constants[0].reshape(-1)[0]) if is_number else np.nan
    is_next = isinstance(part, Partial) and not (part.has_one or part.has_x)
    if not is_next or not isclose(one, part.factor, rel_tol=1e-6):
        op.refuse("add 1 to the Erf of a GELU", f"{one:g}")
    return replace(part, has_one=True)


def multiply(
    op: OperatorView, values: Sequence[Any], constants: Sequence[Array]
) -> Partial | Tensor:
    """Multiply by x, by a number, or by both at once."""
    part = next(value for value in values if isinstance(value, Partial))
    others = [value for value in values if value is not part]
    factor = part.factor
    for constant in constants:
        factor *= float(constant.reshape(-1)[0]) if constant.size == 1 else np.nan
    for other in others:
        factor *= _find_factor(op, part, other)
    part = replace(part, factor=factor, has_x=part.has_x or bool(others))
    if not part.has_x or not isclose(factor, 0.5, rel_tol=1e-6):
        return part
    if not part.has_one:
        op.refuse("be a part of GELU", "an Erf without + 1")
    return op.builder.elementwise(op.ref, part.x, pl.GELU())


def _find_factor(op: OperatorView, part: Partial, other: Any) -> float:
    """Return the number by which a value is the x of a GELU."""
    if part.has_x or not isinstance(other, Tensor):
        op.refuse("multiply the Erf of a GELU by its x", "another value")
    x, factor = other, 1.0
    while x.node != part.x.node:
        before, step = _undo_scale(op, x)
        if before is x:
            op.refuse("multiply the Erf of a GELU by its x", f"'{other.node}'")
        x, factor = before, factor * step
    if not x.same_layout(part.x):
        op.refuse("multiply the Erf of a GELU by its x", "another layout of it")
    return factor


def _undo_scale(op: OperatorView, x: Tensor) -> tuple[Tensor, float]:
    """Return what a multiplication by one number reads, and the number."""
    nodes, weights = op.builder.nodes, op.builder.weights
    node = nodes[x.node]
    scale = weights.get(f"{x.node}.scale")
    if not isinstance(node.layer, pl.BatchNorm) or node.layer.epsilon != 0:
        return x, 1.0
    if scale is None or np.ptp(scale) > 0 or weights[f"{x.node}.offset"].any():
        return x, 1.0
    if weights[f"{x.node}.running_mean"].any() or node.layer.trainable:
        return x, 1.0
    if (weights[f"{x.node}.running_variance"] != 1).any():
        return x, 1.0
    return replace(x, node=node.inputs[0]), float(scale[0])
