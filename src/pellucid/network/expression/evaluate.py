"""Evaluation of expressions: bottom up, each shared part once."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pellucid.network.expression.nodes import Expression, topological

T = TypeVar("T")
Array = npt.NDArray[Any]


def fold(
    expression: Expression,
    leaf: Callable[[Expression], T],
    apply: Callable[[Expression, list[T]], T],
) -> T:
    """Return apply(node, arguments' results) for every node, leaf(node) for leaves."""
    found: dict[Expression, T] = {}
    for node in topological([expression]):
        if node.arguments:
            found[node] = apply(node, [found[a] for a in node.arguments])
        else:
            found[node] = leaf(node)
    return found[expression]


def bind(
    expression: Expression,
    operators: Mapping[str, Callable[..., Any]],
    constant: Callable[[float, Any], Any],
    array: Callable[[float, Any], Any] | None = None,
) -> Callable[..., Any]:
    """Return the expression as a function of its variables, by a library's operators.

    Parameters
    ----------
    expression : Expression
    operators : mapping of str to callable
        What computes each operator.
    constant : callable
        What makes the library's constant of a number, given an array whose type it
        must have.
    array : callable, optional
        The same for a choice between two numbers, where a library needs an array.

    Returns
    -------
    callable
        Takes the variables by name, arrays of the library.
    """
    nodes = topological([expression])
    place = {node: i for i, node in enumerate(nodes)}
    steps = [(n.operator, n.value, tuple(place[a] for a in n.arguments)) for n in nodes]

    def run(**variables: Any) -> Any:
        like = next(iter(variables.values()))
        done: list[Any] = []
        for operator, value, arguments in steps:
            if operator == "variable":
                done.append(variables[value])
            elif operator == "constant":
                done.append(constant(value, like))
            elif array is not None and _chooses_number(nodes, arguments, operator):
                condition, first, second = arguments
                chosen = array(nodes[first].value, like)
                done.append(operators[operator](done[condition], chosen, done[second]))
            else:
                done.append(operators[operator](*[done[i] for i in arguments]))
        return done[-1]

    return run


def _chooses_number(
    nodes: list[Expression], arguments: tuple[int, ...], operator: str
) -> bool:
    branches = [nodes[i].operator for i in arguments[1:]]
    return operator == "where" and branches == ["constant", "constant"]


def sigmoid(x: Array) -> Array:
    """``1 / (1 + exp(−x))`` without overflow: by e^−|x|, which is at most 1."""
    small = np.exp(-np.abs(x))
    y: Array = np.where(x >= 0, 1, small) / (1 + small)
    return y


def softplus(x: Array) -> Array:
    """``ln(1 + exp(x))`` without overflow: ``max(x, 0) + ln(1 + exp(−|x|))``."""
    y: Array = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


_erf = np.vectorize(math.erf, otypes=[np.float64])


def erf(x: Array) -> Array:
    """Return the error function in the type of x."""
    y: Array = _erf(x).astype(np.asarray(x).dtype)
    return y


def normal_cdf(x: Array) -> Array:
    """``Φ(x) = (1 + erf(x / √2)) / 2``."""
    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def normal_pdf(x: Array) -> Array:
    """``φ(x) = exp(−x² / 2) / √(2π)``."""
    y: Array = np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
    return y


#: NumPy's function for each operator
NUMPY: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "clip": np.clip,
    "divide": np.divide,
    "erf": erf,
    "exp": np.exp,
    "expm1": np.expm1,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "log": np.log,
    "log1p": np.log1p,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "negative": np.negative,
    "normal_cdf": normal_cdf,
    "normal_pdf": normal_pdf,
    "power": np.power,
    "relu": functools.partial(np.maximum, 0),
    "round": np.rint,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "sqrt": np.sqrt,
    "subtract": np.subtract,
    "tanh": np.tanh,
    "where": np.where,
}


def compute(expression: Expression, **variables: Any) -> Array:
    """Evaluate by NumPy, in the type of the variables.

    NaN and infinity come as NumPy makes them, without a warning.
    """
    arrays = {name: np.asarray(value) for name, value in variables.items()}
    dtype = np.result_type(*arrays.values())
    with np.errstate(all="ignore"):
        y = bind(expression, NUMPY, lambda c, _: np.asarray(c, dtype))(**arrays)
    return np.asarray(y)


def compute_on_sides(
    expression: Expression, given: Mapping[Expression, Array], **variables: Any
) -> Array:
    """Evaluate as `compute`, with the results of some parts given."""
    arrays = {name: np.asarray(value) for name, value in variables.items()}
    dtype = np.result_type(*arrays.values())

    def leaf(node: Expression) -> Any:
        is_variable = node.operator == "variable"
        return arrays[node.value] if is_variable else np.asarray(node.value, dtype)

    def apply(node: Expression, arguments: list[Any]) -> Any:
        return given[node] if node in given else NUMPY[node.operator](*arguments)

    with np.errstate(all="ignore"):
        return np.asarray(fold(expression, leaf, apply))


def compute_constant(expression: Expression) -> float:
    """Evaluate an expression without variables, in float64."""
    with np.errstate(all="ignore"):
        return float(
            fold(
                expression,
                lambda node: np.asarray(node.value),
                lambda node, given: NUMPY[node.operator](*given),
            )
        )


def compute_number(expression: Expression, x: float) -> float:
    """Evaluate at one number, in float64."""
    return float(compute(expression, x=np.float64(x)))
