"""State that a LiteRT file keeps from call to call: inputs and outputs of a network.

A variable is read and assigned by its handle. What is read first becomes an input,
what is assigned last an output; the graphs that are called once must begin it with
zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.litert.graph import Graph, Operator, Value

_OWN = ("ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE", "VAR_HANDLE")


@dataclass(frozen=True, slots=True)
class Beginning:
    """A graph that is called once, before all others."""

    values: Sequence[Value]
    operators: Sequence[Operator]


def has_variables(operators: Sequence[Operator]) -> bool:
    """Return whether operators keep values from call to call."""
    return any(operator.kind == "VAR_HANDLE" for operator in operators)


def called_once(operators: Sequence[Operator]) -> set[int]:
    """Return the graphs that are called before all others."""
    return {
        int(operator.options.get("init_subgraph_index", 0))
        for operator in operators
        if operator.kind == "CALL_ONCE"
    }


def open_variables(graph: Graph, beginnings: Sequence[Beginning]) -> None:
    """Make inputs and outputs of a graph's variables, in the order of their handles.

    Parameters
    ----------
    graph : Graph
        With operators that read and assign; then without.
    beginnings : sequence of Beginning
        What is called once.

    Raises
    ------
    ExchangeError
        If a variable begins with anything but zeros, or is never read or assigned.
    """
    for beginning in beginnings:
        _require_zeros(beginning)
    handles = _handles(graph.operators)
    first: dict[str, int] = {}
    now: dict[str, int] = {}
    same: dict[int, int] = {}
    kept: list[Operator] = []
    for operator in graph.operators:
        inputs = tuple(same.get(i, i) for i in operator.inputs)
        if operator.kind == "READ_VARIABLE":
            name = handles[inputs[0]]
            if name not in now:
                first[name] = now[name] = operator.outputs[0]
            same[operator.outputs[0]] = now[name]
        elif operator.kind == "ASSIGN_VARIABLE":
            now[handles[inputs[0]]] = inputs[1]
        elif operator.kind not in _OWN:
            kept.append(replace(operator, inputs=inputs))
    states = [name for name in dict.fromkeys(handles.values()) if name in now]
    for name in states:
        if name not in first or now[name] == first[name]:
            raise ExchangeError(
                f"import: variable '{name}' must be read, then assigned; got one alone."
            )
    graph.operators = kept
    graph.output = same.get(graph.output, graph.output)
    graph.more_inputs += tuple(first[name] for name in states)
    ends = (same.get(i, i) for i in graph.more_outputs)
    graph.more_outputs = (*ends, *(now[name] for name in states))
    graph.states = len(states)


def _handles(operators: Sequence[Operator]) -> dict[int, str]:
    """Return the variables that values are handles of."""
    found: dict[int, str] = {}
    for operator in operators:
        if operator.kind == "VAR_HANDLE":
            number = operator.outputs[0]
            found[number] = str(operator.options.get("shared_name") or number)
    return found


def _require_zeros(beginning: Beginning) -> None:
    """Refuse to begin a variable with numbers that are not 0."""
    handles = _handles(beginning.operators)
    for operator in beginning.operators:
        if operator.kind != "ASSIGN_VARIABLE":
            continue
        value = beginning.values[operator.inputs[1]]
        array = value.array if value.real is None else value.real
        if array is None or np.any(array):
            raise ExchangeError(
                f"import: variable '{handles.get(operator.inputs[0])}' must begin with "
                "zeros; got other numbers."
            )
