"""Recognize a decomposed layer norm.

``(x − mean) / √(variance + ε) · scale + offset``, where the variance is the mean of
``(x − mean)²`` or the mean of ``x²`` less the mean's square. The pattern begins at the
root; in its polynomials the order of the operators does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.polynomial import (
    Polynomial,
    equals,
    expand,
    is_close,
    term,
)
from pellucid.exchange.graph.tensor import Array

_ROOTS = ("sqrt", "rsqrt", "power")


def find_layer_norms(graph: Graph) -> None:
    """Turn decomposed layer norms into operators ``layer_norm`` (axis, epsilon …)."""
    for root in list(graph.operators):
        if root.kind in _ROOTS:
            _match(graph, root)


def _match(graph: Graph, root: Operator) -> None:
    stable = root.inputs[0]
    variance, epsilon = _without_epsilon(graph, stable)
    found = _moments(graph, variance)
    if found is None:
        return
    x, mean, axis = found
    last, weights = None, None
    for operator in graph.downstream(stable):
        if last is not None and operator not in graph.readers(last.output):
            continue
        if last is not None and graph.count(last.output) > 1:
            break
        polynomial = expand(graph, operator.output, {x, mean, stable})
        given = _affine(polynomial, x, mean, stable)
        if given is not None:
            last, weights = operator, given
    if last is not None and weights is not None:
        scale, offset = weights
        attributes: dict[str, Any] = {"axis": axis, "epsilon": epsilon}
        last.become("layer_norm", [x], scale=scale, offset=offset, **attributes)
        graph.changed()


def _without_epsilon(graph: Graph, stable: str) -> tuple[str, float]:
    """Return the variance and the ε that is added to it."""
    operator = graph.made_by(stable, "add")
    for value, other in (
        (operator.inputs, operator.inputs[::-1]) if operator is not None else ()
    ):
        epsilon = graph.number(other)
        if epsilon is not None:
            return value, epsilon
    return stable, 0.0


def _moments(graph: Graph, variance: str) -> tuple[str, str, int] | None:
    """Return x, its mean and the axis, where a value is the variance of x."""
    outer = graph.made_by(variance, "mean")
    if outer is not None:
        axis = _axis(outer)
        square = outer.inputs[0]
        for mean in _means(graph, square):
            x, m = mean.inputs[0], mean.output
            squares = {term((x, 2.0)): 1.0, term(x, m): -2.0, term((m, 2.0)): 1.0}
            if axis is None or _axis(mean) != axis:
                continue
            if equals(expand(graph, square, {x, m}), squares):
                return x, m, axis
        return None
    difference = graph.made_by(variance, "subtract")
    if difference is None:
        return None
    outer = graph.made_by(difference.inputs[0], "mean")
    axis = None if outer is None else _axis(outer)
    for mean in _means(graph, difference.inputs[1]):
        x, m = mean.inputs[0], mean.output
        if outer is None or axis is None or _axis(mean) != axis:
            continue
        is_square = equals(expand(graph, outer.inputs[0], {x}), {term((x, 2.0)): 1.0})
        own = expand(graph, difference.inputs[1], {m})
        if is_square and equals(own, {term((m, 2.0)): 1.0}):
            return x, m, axis
    return None


def _axis(mean: Operator) -> int | None:
    """Return the one axis that is averaged and kept."""
    axes: Sequence[int] = mean.attributes.get("axes") or ()
    return axes[0] if len(axes) == 1 and mean.attributes.get("keepdims") else None


def _means(graph: Graph, value: str) -> list[Operator]:
    """Return the means that arithmetic makes a value of."""
    found = [graph.made_by(name, "mean") for name in graph.upstream(value)]
    return [operator for operator in found if operator is not None]


def _affine(
    polynomial: Polynomial, x: str, mean: str, stable: str
) -> tuple[Array | None, Array | None] | None:
    """Return scale and offset of ``(x − mean) stable^(-1/2) · scale + offset``."""
    inverse = (stable, -0.5)
    of_x, of_mean = (polynomial.get(term(name, inverse)) for name in (x, mean))
    if of_x is None or of_mean is None or len(polynomial) > 3:
        return None
    offset = polynomial.get(())
    if len(polynomial) != 2 + (offset is not None):
        return None
    if not np.allclose(of_x, np.negative(of_mean), rtol=1e-5, atol=1e-12):
        return None
    return None if is_close(of_x, 1.0) else np.asarray(of_x), offset
