"""Recognize a layer norm that is decomposed into LiteRT operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.exchange.litert.graph import Graph, Operator
from pellucid.network import layers as pl

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Norm:
    """A layer norm: what it reads, and the values inside that nothing else may read."""

    input: int
    layer: pl.LayerNorm
    weights: dict[str, Array]
    inner: frozenset[int]


def layer_norms(graph: Graph) -> dict[int, Norm]:
    """Return {value: the layer norm that ends in it}."""
    makers = {op.outputs[0]: op for op in graph.operators if op.outputs}
    readers: dict[int, int] = {graph.output: 1}
    for operator in graph.operators:
        for i in operator.inputs:
            readers[i] = readers.get(i, 0) + 1
    found = {}
    for operator in graph.operators:
        if operator.kind == "ADD":
            norm = _norm(graph, operator, makers, readers)
            if norm is not None:
                found[operator.outputs[0]] = norm
    return found


def _norm(
    graph: Graph, last: Operator, makers: dict[int, Operator], readers: dict[int, int]
) -> Norm | None:
    """Match (x − mean) · rsqrt(mean of squares + ε) · scale + offset, from its end."""

    def made(i: int, kind: str, count: int = 1) -> Operator | None:
        operator = makers.get(i)
        fits = operator is not None and operator.kind == kind and readers[i] == count
        return operator if fits else None

    scaled = made(last.inputs[0], "MUL")
    unit = made(scaled.inputs[0], "MUL") if scaled else None
    if last.options.get("fused_activation_function") or unit is None or scaled is None:
        return None
    centred, inverse = (
        made(i, k) for i, k in zip(unit.inputs, ("SUB", "RSQRT"), strict=True)
    )
    stable = made(inverse.inputs[0], "ADD") if inverse else None
    variance = made(stable.inputs[0], "MEAN") if stable else None
    square = made(variance.inputs[0], "SQUARED_DIFFERENCE") if variance else None
    if square is None or variance is None or stable is None or centred is None:
        return None
    mean = made(square.inputs[1], "MEAN", 2)
    x = square.inputs[0]
    if mean is None or inverse is None or centred.inputs != square.inputs:
        return None
    rank = len(graph.values[x].shape)
    arrays = [graph.values[op.inputs[1]].array for op in (scaled, last, stable)]
    axes = [graph.values[op.inputs[1]].array for op in (mean, variance)]
    if mean.inputs[0] != x or any(array is None for array in (*arrays, *axes)):
        return None
    if any(
        np.ravel(a).tolist() not in ([rank - 1], [-1]) for a in axes if a is not None
    ):
        return None
    scale, offset, epsilon = (np.asarray(array) for array in arrays)
    inner = (scaled, unit, centred, inverse, stable, variance, square, mean)
    if any(op.options.get("fused_activation_function") for op in inner):
        return None
    if epsilon.size != 1 or scale.ndim != 1 or offset.ndim != 1:
        return None
    return Norm(
        input=x,
        layer=pl.LayerNorm(epsilon=float(epsilon.ravel()[0])),
        weights={"scale": scale, "offset": offset},
        inner=frozenset(op.outputs[0] for op in inner),
    )
