"""Tracing: a Python function of numbers as an expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.errors import NetworkError, PellucidError
from pellucid.network.expression.nodes import (
    MOST_LOSS_OPERATIONS,
    MOST_OPERATIONS,
    TENSOR_ARITY,
    Expression,
    topological,
    variable,
)


def trace(
    function: Callable[..., Any],
    who: str,
    names: tuple[str, ...] = ("x",),
    *,
    has_tensors: bool = False,
) -> Expression:
    """Call a function with variables and return what it computes.

    Parameters
    ----------
    function : callable
        Uses operators and `pellucid.math`.
    who : str
        Whom errors name.
    names : tuple of str, optional
        The variables' names, in the order of the function's arguments.
    has_tensors : bool, optional
        Whether it may sum, average and take channels, as a loss does.

    Raises
    ------
    NetworkError
        If it cannot be traced, does not depend on its variables, or is too large.
    """
    try:
        made = function(*(variable(name) for name in names))
    except PellucidError as error:
        raise NetworkError(f"{who}: {error}") from None
    except RecursionError:
        raise
    except Exception as error:
        got = f"got {type(error).__name__}: {str(error)[:200]}."
        if _is_of_another_library(error):
            raise NetworkError(
                f"{who}: the function must use operators and pl.math alone "
                f"(pl.math.exp, not np.exp); {got}"
            ) from error
        raise NetworkError(
            f"{who}: the function must run without an error of its own when it is "
            f"called with {', '.join(names)}; {got}"
        ) from error
    return check(made, who, has_tensors=has_tensors)


def _is_of_another_library(error: Exception) -> bool:
    """Return whether something that knows arrays or numbers only got a variable."""
    return "Expression" in str(error) or "ufunc" in str(error)


def check(made: Any, who: str, *, has_tensors: bool = False) -> Expression:
    """Return an expression that a layer (or, with tensors, a loss) can compute."""
    is_number = isinstance(made, Expression) and not made.is_condition
    if not is_number:
        raise NetworkError(
            f"{who}: the function must return an expression; got {made!r}."
        )
    nodes = topological([made])
    if all(node.operator != "variable" for node in nodes):
        raise NetworkError(
            f"{who}: the function must depend on its input; got {made!r}."
        )
    several = [node.operator for node in nodes if node.operator in TENSOR_ARITY]
    if several and not has_tensors:
        raise NetworkError(
            f"{who}: the function must be one of each element; got {several[0]!r}, "
            "which is for losses."
        )
    most = MOST_LOSS_OPERATIONS if has_tensors else MOST_OPERATIONS
    if len(nodes) > most:
        raise NetworkError(
            f"{who}: the function must have at most {most} operations; "
            f"got {len(nodes)}."
        )
    return made  # type: ignore[no-any-return]
