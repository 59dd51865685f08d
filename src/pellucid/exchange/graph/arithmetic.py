"""Arithmetic of values that layers compose: quotients, powers, minima, squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.expression import math

if TYPE_CHECKING:
    from pellucid.exchange.graph.network_builder import NetworkBuilder


def multiply(
    builder: NetworkBuilder, ref: OperatorRef, pair: Sequence[Tensor]
) -> Tensor:
    """Multiply values; one by itself is its square."""
    first, second = pair
    if first.node == second.node and first.same_layout(second):
        return builder.elementwise(ref, first, pl.Elementwise(lambda x: x * x))
    return builder.arithmetic(ref, pl.Multiply(), pair)


def divide(
    builder: NetworkBuilder, ref: OperatorRef, x: Tensor | Array, by: Tensor
) -> Tensor:
    """Divide a value or a constant by a value: multiply it by the reciprocal."""
    inverse = pl.Elementwise(lambda x: 1 / x)
    if isinstance(x, np.ndarray) and x.size == 1:
        number = float(x.reshape(-1)[0])
        quotient = pl.Elementwise(lambda x: number / x)
        return builder.elementwise(ref, by, quotient)
    if isinstance(x, Tensor) and x.node == by.node:
        ref.refuse("divide by another value", f"'{x.node}' itself")
    reciprocal = builder.elementwise(ref.part("reciprocal"), by, inverse)
    if isinstance(x, Tensor):
        return builder.arithmetic(ref, pl.Multiply(), [x, reciprocal])
    if not isinstance(x, np.ndarray):
        ref.refuse("divide the network's value or a constant", type(x).__name__)
    return builder.affine(ref, reciprocal, scale=x)


def power(builder: NetworkBuilder, ref: OperatorRef, x: Any, exponent: Any) -> Tensor:
    """Raise a value to a number, or a number to a value."""
    if isinstance(x, Tensor) and _is_number(exponent):
        n = float(np.reshape(exponent, -1)[0])
        if n == 2:
            return builder.elementwise(ref, x, pl.Elementwise(lambda x: x * x))
        if n == 0.5:
            return builder.elementwise(ref, x, pl.Elementwise(math.sqrt))
        if n == 1:
            return x
        return builder.elementwise(ref, x, pl.Elementwise(lambda x: x**n))
    if isinstance(exponent, Tensor) and _is_number(x) and np.reshape(x, -1)[0] > 0:
        rate = float(np.log(np.float64(np.reshape(x, -1)[0])))
        layer = pl.Elementwise(lambda x: math.exp(rate * x))
        return builder.elementwise(ref, exponent, layer)
    ref.refuse("raise a value to a number, or a positive number to a value", "another")


def extreme(
    builder: NetworkBuilder,
    ref: OperatorRef,
    values: Sequence[Tensor],
    *,
    is_largest: bool,
) -> Tensor:
    """Keep the largest of values, or the smallest: the largest of their negatives."""
    if is_largest or len(values) == 1:
        return builder.arithmetic(ref, pl.Maximum(), values)
    given, minus = ref.part("negative"), np.full(1, -1, np.float32)
    negatives = [builder.affine(given, x, scale=minus) for x in values]
    largest = builder.arithmetic(ref.part("maximum"), pl.Maximum(), negatives)
    return builder.affine(ref, largest, scale=minus)


def _is_number(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.size == 1
    return is_array or (isinstance(value, int | float) and not isinstance(value, bool))
