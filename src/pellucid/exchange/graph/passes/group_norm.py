"""Recognize a group norm that is written as an instance norm of reshaped channels.

PyTorch's exporter sees each group as one channel, (N, groups, …), normalises it, and
scales and shifts the channels that it has put back.
"""

from __future__ import annotations

import numpy as np

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.polynomial import expand, term
from pellucid.exchange.graph.tensor import Array


def find_group_norms(graph: Graph) -> None:
    """Turn them into operators ``group_norm`` (groups, epsilon, scale, offset)."""
    for operator in list(graph.operators):
        if operator.kind == "instance_norm":
            _match(graph, operator)


def _match(graph: Graph, norm: Operator) -> None:
    before = graph.made_by(norm.inputs[0], "reshape")
    readers = graph.readers(norm.output)
    if before is None or len(readers) != 1 or readers[0].kind != "reshape":
        return
    x, last = before.inputs[0], readers[0]
    shape, rows = graph.shapes.get(x), graph.shapes.get(before.output)
    if shape is None or rows is None or graph.shapes.get(last.output) != shape:
        return
    groups = rows[1] if len(rows) > 2 else 0
    if not groups or rows[0] != shape[0] or shape[1] % groups:
        return
    scale, offset = (graph.constants.get(name) for name in norm.inputs[1:3])
    if scale is None or offset is None or (scale != 1).any() or offset.any():
        return
    weights: tuple[Array | None, Array | None] = (None, None)
    key = last.output
    while graph.count(last.output) == 1 and graph.readers(last.output):
        reader = graph.readers(last.output)[0]
        polynomial = expand(graph, reader.output, {key})
        factor, shift = polynomial.get(term(key)), polynomial.get(())
        known = {term(key), ()}
        if reader.kind not in ("add", "multiply") or not known >= polynomial.keys():
            break
        if factor is None or not _per_channel(factor, shape):
            break
        if shift is not None and not _per_channel(shift, shape):
            break
        last, weights = reader, (np.asarray(factor), shift)
    epsilon = norm.attributes["epsilon"]
    scale, offset = weights
    last.become(
        "group_norm", [x], groups=groups, epsilon=epsilon, scale=scale, offset=offset
    )
    graph.changed()


def _per_channel(array: Array, shape: tuple[int, ...]) -> bool:
    """True where a constant is one number, or one per channel, axis 1."""
    array = np.asarray(array)
    full = (1,) * (len(shape) - array.ndim) + array.shape
    return len(full) == len(shape) and all(
        n == 1 or (axis == 1 and n == shape[1]) for axis, n in enumerate(full)
    )
