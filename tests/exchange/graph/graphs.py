"""Graphs of the IR, written as lines, and what NumPy makes of them."""

from __future__ import annotations

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.tensor import BATCH

X = (BATCH, 6)


def graph_of(lines, *, constants=None, shapes=None, output="y", x=X):
    """Return a graph; a line is ``kind inputs output``, attributes behind it."""
    graph = Graph(outputs=[output], shapes={"x": x, **(shapes or {})})
    for name, value in (constants or {}).items():
        graph.constants[name] = np.asarray(value, np.float32)
    for line, *attributes in (e if isinstance(e, tuple) else (e,) for e in lines):
        kind, *inputs, made = line.split()
        given = attributes[0] if attributes else {}
        graph.shapes.setdefault(made, x)
        graph.add(
            Operator(
                kind=kind,
                inputs=inputs,
                outputs=[made],
                ref=OperatorRef(kind, made),
                attributes=given,
                foreign=line,
            )
        )
    return graph


def kinds(graph):
    """Return the kinds of a graph's operators, in order."""
    return [operator.kind for operator in graph.operators]
