"""Move transpositions behind what works element by element, where they cancel.

Converters between layouts leave transpositions within what was one activation or norm;
``f(xᵀ)`` is ``f(x)ᵀ``, and ``(xᵀ)ᵀ`` is x.
"""

from __future__ import annotations

import numpy as np

from pellucid.exchange.graph.ir import ARITHMETIC, Graph, Operator
from pellucid.exchange.graph.tensor import Array

_BY_ELEMENT = ARITHMETIC | {
    "clip",
    "erf",
    "erfc",
    "exp",
    "hard_sigmoid",
    "log",
    "maximum",
    "minimum",
    "relu",
    "sigmoid",
    "softplus",
    "tanh",
}


def move_transposes(graph: Graph) -> None:
    """Let element-wise operators read what their inputs are the transpositions of."""
    for operator in list(graph.operators):
        while operator.kind in _BY_ELEMENT and _move(graph, operator):
            pass


def _move(graph: Graph, operator: Operator) -> bool:
    """Move one transposition; False where there is none."""
    values = [name for name in operator.inputs if name and name not in graph.constants]
    views = [graph.made_by(name, "transpose") for name in values]
    orders = {view.attributes["perm"] for view in views if view is not None}
    shapes = {graph.shapes.get(name) for name in (*values, operator.output)}
    if not values or None in views or len(orders) != 1 or len(shapes) != 1:
        return False
    (order,) = orders
    before = tuple(int(axis) for axis in np.argsort(order))
    constants = {}
    for name in operator.inputs:
        if name in graph.constants:
            turned = _turn(graph.constants[name], before)
            if turned is None:
                return False
            constants[name] = turned
    shape = graph.shapes.get(operator.output)
    if shape is None:
        return False
    inner = f"{operator.output}/turned"
    graph.shapes[inner] = tuple(shape[axis] for axis in before)
    inputs = []
    for name in operator.inputs:
        if name in constants:
            graph.constants[f"{name}/turned{before}"] = constants[name]
            inputs.append(f"{name}/turned{before}")
        else:
            view = graph.made_by(name, "transpose")
            inputs.append(name if view is None else view.inputs[0])
    behind = Operator(
        kind="transpose",
        inputs=[inner],
        outputs=operator.outputs,
        ref=operator.ref,
        attributes={"perm": order},
    )
    graph.insert_behind(operator, behind)
    operator.inputs, operator.outputs = inputs, [inner]
    graph.makers[inner] = operator
    graph.changed()
    return True


def _turn(constant: Array, order: tuple[int, ...]) -> Array | None:
    """Return a constant for operands whose axes are permuted."""
    if constant.size == 1:
        return constant
    if constant.ndim > len(order):
        return None
    missing = (1,) * (len(order) - constant.ndim)
    turned: Array = constant.reshape(missing + constant.shape).transpose(order)
    return turned
