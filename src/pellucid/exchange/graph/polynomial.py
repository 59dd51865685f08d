"""Polynomial normal form of arithmetic: what patterns are compared with.

``x · ½ · (1 + erf(x / √2))`` may be written in any order, with factors here or there;
its expansion ``½ x + ½ x e`` is one and the same. Coefficients are numbers, or arrays
where constants are (a scale for each channel); exponents may be fractions, so that a
root is a power. The expansion stops at atoms: values that the pattern names, and
values that no arithmetic makes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from pellucid.exchange.graph.ir import ARITHMETIC, Graph, Operator
from pellucid.exchange.graph.tensor import Array

#: values with their exponents, sorted; () stands for 1
Monomial = tuple[tuple[str, float], ...]
Polynomial = dict[Monomial, Array]

_TERM_LIMIT = 12
_DEPTH_LIMIT = 16
_COEFFICIENT_LIMIT = 2**16  # elements of a constant, above which it is an atom
_TOLERANCE = 1e-5


def expand(
    graph: Graph, value: str, atoms: Collection[str] = (), depth: int = _DEPTH_LIMIT
) -> Polynomial:
    """Return a value as a polynomial of atoms."""
    constant = graph.constants.get(value)
    is_number = constant is not None and constant.dtype.kind in "fiu"
    if constant is not None and is_number and constant.size <= _COEFFICIENT_LIMIT:
        return {(): constant.astype(np.float64)}
    operator = graph.made_by(value, *ARITHMETIC)
    if operator is not None and value not in atoms and depth:
        parts = [expand(graph, name, atoms, depth - 1) for name in operator.inputs]
        try:
            made = _compute(operator, parts)
        except ValueError:  # constants that cannot be broadcast
            made = None
        if made is not None and len(made) <= _TERM_LIMIT:
            return made
    return {((value, 1.0),): np.ones(())}


def equals(polynomial: Polynomial, expected: dict[Monomial, float]) -> bool:
    """True where the coefficients are these numbers, to rounding."""
    if polynomial.keys() != expected.keys():
        return False
    return all(is_close(polynomial[key], expected[key]) for key in expected)


def is_close(array: Array, number: float) -> bool:
    """True where every element is a number, to rounding."""
    return bool(np.allclose(array, number, rtol=_TOLERANCE, atol=1e-12))


def term(*factors: str | tuple[str, float]) -> Monomial:
    """Return a product of values, each alone or with its exponent."""
    pairs = [(f, 1.0) if isinstance(f, str) else f for f in factors]
    return _product([pairs])


def _product(factors: Iterable[Iterable[tuple[str, float]]]) -> Monomial:
    exponents: dict[str, float] = {}
    for pairs in factors:
        for name, exponent in pairs:
            exponents[name] = exponents.get(name, 0.0) + exponent
    return tuple(sorted((n, e) for n, e in exponents.items() if e != 0))


def _compute(operator: Operator, parts: list[Polynomial]) -> Polynomial | None:
    kind = operator.kind
    if kind in ("add", "subtract"):
        return _sum(parts[0], parts[1], -1.0 if kind == "subtract" else 1.0)
    if kind == "negate":
        return _scale(parts[0], -1.0)
    if kind == "multiply":
        return _multiply(parts[0], parts[1])
    if kind == "squared_difference":
        difference = _sum(parts[0], parts[1], -1.0)
        return _multiply(difference, difference)
    if kind == "divide":
        inverse = _power(parts[1], -1.0)
        return None if inverse is None else _multiply(parts[0], inverse)
    if kind == "power":
        exponent = parts[1].get((), np.zeros(0))
        if parts[1].keys() != {()} or exponent.size != 1:
            return None
        return _power(parts[0], float(exponent.reshape(-1)[0]))
    return _power(parts[0], {"sqrt": 0.5, "rsqrt": -0.5, "reciprocal": -1.0}[kind])


def _sum(first: Polynomial, second: Polynomial, sign: float) -> Polynomial:
    made = dict(first)
    for key, coefficient in second.items():
        made[key] = made.get(key, 0.0) + sign * coefficient
    return {k: c for k, c in made.items() if np.any(c)}


def _scale(polynomial: Polynomial, factor: float) -> Polynomial:
    return {key: coefficient * factor for key, coefficient in polynomial.items()}


def _multiply(first: Polynomial, second: Polynomial) -> Polynomial | None:
    if len(first) * len(second) > 4 * _TERM_LIMIT:
        return None
    made: Polynomial = {}
    for a, x in first.items():
        made = _sum(made, {_product([a, b]): x * y for b, y in second.items()}, 1.0)
    return made


def _power(polynomial: Polynomial, exponent: float) -> Polynomial | None:
    """Return a power: of one monomial any, of several a small whole one."""
    if len(polynomial) != 1:
        if exponent not in (2.0, 3.0):
            return None
        made: Polynomial | None = polynomial
        for _ in range(int(exponent) - 1):
            made = None if made is None else _multiply(made, polynomial)
        return made
    ((key, coefficient),) = polynomial.items()
    if exponent != int(exponent):
        # √(x²) is not x, and √(x y) not √x √y
        is_one = len(key) == 1 and (key[0][1] == 1 or key[0][1] != int(key[0][1]))
        if not is_one or (np.asarray(coefficient) <= 0).any():
            return None
    raised = tuple((name, e * exponent) for name, e in key)
    return {raised: np.asarray(coefficient, np.float64) ** exponent}
