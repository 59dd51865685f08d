"""Recognize activations that are decomposed into arithmetic.

Each pattern begins at a key, the one operator that is not arithmetic (an Erf, a
Sigmoid, a Clip …): what the key reads must be one polynomial of x, and what is made of
the key another of x and the key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import isclose, pi, sqrt
from typing import Any

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.polynomial import Monomial, equals, expand, term

_CUBIC = 0.044715  # of GELU's approximation by tanh
_Form = Callable[[str, str], dict[Monomial, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """A key's kind and attributes, and the polynomials before and behind it."""

    made: str
    key: str
    given: dict[str, float] = field(default_factory=dict)
    inner: _Form
    outer: _Form


def _same(x: str, _: str) -> dict[Monomial, float]:
    return {term(x): 1.0}


def _times_x(x: str, k: str) -> dict[Monomial, float]:
    return {term(x, k): 1.0}


def _gelu(x: str, k: str) -> dict[Monomial, float]:
    return {term(x): 0.5, term(x, k): 0.5}


def _cubic(x: str, _: str) -> dict[Monomial, float]:
    return {term(x): sqrt(2 / pi), term((x, 3.0)): sqrt(2 / pi) * _CUBIC}


def _plus_three(x: str, _: str) -> dict[Monomial, float]:
    return {term(x): 1.0, (): 3.0}


_RELU6 = {"low": 0.0, "high": 6.0}
_PATTERNS = (
    _Pattern(
        made="gelu",
        key="erf",
        inner=lambda x, _: {term(x): 1 / sqrt(2)},
        outer=_gelu,
    ),
    _Pattern(
        made="gelu",
        key="erfc",
        inner=lambda x, _: {term(x): -1 / sqrt(2)},
        outer=lambda x, k: {term(x, k): 0.5},
    ),
    _Pattern(made="gelu_tanh", key="tanh", inner=_cubic, outer=_gelu),
    _Pattern(made="silu", key="sigmoid", inner=_same, outer=_times_x),
    _Pattern(
        made="hard_swish",
        key="clip",
        given=_RELU6,
        inner=_plus_three,
        outer=lambda x, k: {term(x, k): 1 / 6},
    ),
    _Pattern(
        made="hard_sigmoid",
        key="clip",
        given=_RELU6,
        inner=_plus_three,
        outer=lambda x, k: {term(k): 1 / 6},
    ),
    _Pattern(
        made="hard_swish",
        key="clip",
        given={"low": 0.0, "high": 1.0},
        inner=lambda x, _: {term(x): 1 / 6, (): 0.5},
        outer=_times_x,
    ),
    _Pattern(
        made="hard_swish",
        key="hard_sigmoid",
        given={"alpha": 1 / 6, "beta": 0.5},
        inner=_same,
        outer=_times_x,
    ),
)


def find_activations(graph: Graph) -> None:
    """Turn decomposed activations into operators of their own."""
    for operator in list(graph.operators):
        _find_softplus(graph, operator)
        _find_mish(graph, operator)
        for pattern in _PATTERNS:
            if pattern.key == operator.kind and _has(operator, pattern.given):
                _match(graph, operator, pattern)


def _has(operator: Operator, given: dict[str, Any]) -> bool:
    return all(
        operator.attributes.get(name) is not None
        and isclose(operator.attributes[name], value, rel_tol=1e-5, abs_tol=1e-9)
        for name, value in given.items()
    )


def _match(graph: Graph, key: Operator, pattern: _Pattern) -> None:
    read, made = key.inputs[0], key.output
    for x in graph.upstream(read):
        if not equals(expand(graph, read, {x}), pattern.inner(x, made)):
            continue
        for operator in list(graph.downstream(made)):
            polynomial = expand(graph, operator.output, {x, made})
            if equals(polynomial, pattern.outer(x, made)):
                operator.become(pattern.made, [x])
                graph.changed()
        return


def _find_softplus(graph: Graph, operator: Operator) -> None:
    """``log(1 + exp(x))``."""
    if operator.kind != "log":
        return
    for name in graph.upstream(operator.inputs[0]):
        inner = graph.made_by(name, "exp")
        wanted = {term(name): 1.0, (): 1.0}
        if inner is not None and equals(expand(graph, operator.inputs[0]), wanted):
            operator.become("softplus", inner.inputs)
            graph.changed()
            return


def _find_mish(graph: Graph, operator: Operator) -> None:
    """``x · tanh(softplus(x))``."""
    inner = graph.made_by(operator.inputs[0], "softplus") if operator.inputs else None
    if operator.kind != "tanh" or inner is None:
        return
    x, key = inner.inputs[0], operator.output
    for reader in list(graph.downstream(key)):
        if equals(expand(graph, reader.output, {x, key}), _times_x(x, key)):
            reader.become("mish", [x])
            graph.changed()
