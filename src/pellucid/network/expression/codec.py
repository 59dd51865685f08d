"""Expressions as JSON: rows in order of computation, with strict limits."""

from __future__ import annotations

from typing import Any

from pellucid.errors import NetworkError
from pellucid.network.expression.nodes import (
    ARITY,
    MOST_LOSS_OPERATIONS,
    MOST_OPERATIONS,
    TENSOR_ARITY,
    Expression,
    build,
    constant,
    topological,
    variable,
)


def to_json(expression: Expression) -> list[Any]:
    """Return the rows: [operator, rows of its arguments …]; the last is the result."""
    nodes = topological([expression])
    place = {node: i for i, node in enumerate(nodes)}
    return [
        [node.operator, node.value]
        if not node.arguments
        else [node.operator, *(place[a] for a in node.arguments)]
        for node in nodes
    ]


def from_json(
    rows: Any, variables: tuple[str, ...] = ("x",), *, has_tensors: bool = False
) -> Expression:
    """Read what `to_json` wrote.

    Parameters
    ----------
    rows : list
        As `to_json` returned.
    variables : tuple of str, optional
        Names that may occur.
    has_tensors : bool, optional
        Whether it may sum, average and take channels, as a loss does.

    Raises
    ------
    NetworkError
        If a row is none, refers to a later one, or the limits are passed.
    """
    most = MOST_LOSS_OPERATIONS if has_tensors else MOST_OPERATIONS
    if not isinstance(rows, list | tuple) or not 0 < len(rows) <= most:
        raise NetworkError(
            f"expression: it must be a list of 1 to {most} rows; got {_short(rows)}."
        )
    made: list[Expression] = []
    arity = ARITY | TENSOR_ARITY if has_tensors else ARITY
    for row in rows:
        made.append(_read(row, made, variables, arity))
    return made[-1]


def _read(
    row: Any,
    made: list[Expression],
    variables: tuple[str, ...],
    arity: dict[str, int],
) -> Expression:
    is_row = isinstance(row, list | tuple) and row and isinstance(row[0], str)
    operator, *rest = row if is_row else ("",)
    if operator == "variable" and len(rest) == 1 and rest[0] in variables:
        return variable(rest[0])
    if operator == "constant" and len(rest) == 1:
        return constant(rest[0])
    before = [
        type(place) is int and 0 <= place < len(made)  # bool is no place
        for place in rest
    ]
    if arity.get(operator) != len(rest) or not all(before):
        raise NetworkError(
            "expression: a row must be an operator and the numbers of earlier rows; "
            f"got {_short(row)}."
        )
    return build(operator, *(made[place] for place in rest))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
