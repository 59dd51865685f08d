"""Write integer networks as .tflite files: the float graph, with the integers in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from pellucid.exchange.errors import export_error
from pellucid.exchange.int8.quantization import MOVES, WEIGHTED
from pellucid.exchange.litert.graph import Graph, Operator, Scales
from pellucid.exchange.litert.integer_tables import TABLES
from pellucid.exchange.litert.lower import build_graph
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.quantization import Quantization
from pellucid.runs import ModelFile

_CLAMPS: dict[str, type[pl.Layer]] = {"relu": pl.ReLU, "relu6": pl.ReLU6}
#: operations with which a limit on the output is one operator
_TAKES_CLAMP = (pl.Add, pl.Conv2D, pl.Dense)


@dataclass(slots=True)
class _Floats:
    """An integer network's layers as floats, and what its integers stand for."""

    nodes: list[Node] = field(default_factory=list)
    stands_for: dict[str, str] = field(default_factory=dict)
    scales: dict[str, Quantization] = field(default_factory=dict)
    layers: dict[str, pl.Quantized] = field(default_factory=dict)


def build_integer_graph(file: ModelFile) -> Graph:
    """Return an integer network as a graph of int8, its input and output too.

    Raises
    ------
    ExchangeError
        If LiteRT would compute other integers.
    """
    found = _as_floats(file.network)
    network = file.network.with_nodes(found.nodes, renamed=found.stands_for)
    weights = {
        weight.name: np.asarray(file.weights[weight.name], np.float32)
        for weight in network.weights
    }
    graph = build_graph(replace(file, network=network, weights=weights))
    for i in graph.all_inputs:
        entry = graph.values[i]
        if entry.node not in found.scales:
            _refuse(file.network.node(entry.node or "").layer, "it must be quantized")
        _set_scale(graph, i, found.scales[entry.node])
    for operator in graph.operators:
        _convert(graph, operator, found, file)
    return graph


def _refuse(layer: pl.Layer, reason: str) -> NoReturn:
    raise export_error("LiteRT", layer.who, reason)


def _as_floats(network: Network) -> _Floats:
    found = _Floats()
    for node in network.nodes:
        layer: Any = node.layer
        sources = tuple(found.stands_for[name] for name in node.inputs)
        found.stands_for[node.name] = node.name
        if isinstance(layer, pl.Quantize | pl.Dequantize):
            (source,) = sources
            found.stands_for[node.name] = source
            if isinstance(layer, pl.Dequantize) and node.name not in network.outputs:
                _refuse(layer, "floats must be the outputs alone")
            if isinstance(layer, pl.Quantize):
                if not isinstance(network.node(source).layer, pl.Input):
                    _refuse(layer, "floats must be the inputs alone")
                found.scales[source] = layer.output
        elif isinstance(layer, pl.Quantized):
            _add_quantized(found, node, sources)
        else:
            found.nodes.append(replace(node, inputs=sources))
            if not isinstance(layer, pl.Input) and sources[0] in found.scales:
                found.scales[node.name] = found.scales[sources[0]]
    return found


def _add_quantized(found: _Floats, node: Node, sources: tuple[str, ...]) -> None:
    layer: Any = node.layer
    who = layer.operation
    if layer.arithmetic != "fixed_point":
        _refuse(layer, "sums must be scaled by integers; write it as ONNX")
    if layer.weight_dtype != "int8":
        _refuse(layer, "weights must be int8 around 0")
    if isinstance(who, pl.Rescale):
        who = pl.Sigmoid()  # as one operator, which becomes QUANTIZE
    operation = replace(who, name=node.name)
    found.nodes.append(replace(node, layer=operation, inputs=sources))
    found.layers[node.name], found.scales[node.name] = layer, layer.output
    if layer.clamp is None:
        return
    if layer.clamp not in _CLAMPS or not isinstance(who, _TAKES_CLAMP):
        _refuse(layer, f"there is no operator with the limit {layer.clamp}")
    name = f"{node.name}_{layer.clamp}"
    limit = _CLAMPS[layer.clamp](name=name)
    found.nodes.append(Node(name, limit, (node.name,)))
    found.stands_for[node.name], found.scales[name] = name, layer.output


def _set_scale(graph: Graph, i: int, how: Quantization) -> None:
    value = graph.values[i]
    value.dtype = how.dtype
    scale = np.asarray([how.scale], np.float32)
    value.scales = Scales(scale, how.zero_point)


def _convert(graph: Graph, operator: Operator, found: _Floats, file: ModelFile) -> None:
    """Give an operator's output its scale, and its constants their integers."""
    output, inputs = graph.values[operator.outputs[0]], graph.inputs(operator)
    layer: Any = found.layers.get(operator.node)
    if operator.kind in MOVES | {"CONCATENATION"}:
        if len({(v.scales.one, v.scales.zero_point) for v in inputs if v.scales}) > 1:
            raise export_error("LiteRT", operator.who, "inputs must have one scale")
        output.dtype, output.scales = inputs[0].dtype, inputs[0].scales
        if operator.kind == "PADV2":
            inputs[2].array = np.asarray([-128], np.int8)
            inputs[2].dtype, inputs[2].scales = "int8", inputs[0].scales
        return
    if layer is None or output.node not in found.scales:
        raise export_error("LiteRT", operator.who, f"{operator.kind} has no int8 form")
    _set_scale(graph, operator.outputs[0], found.scales[output.node])
    x, y = layer.operands[0], layer.output
    if isinstance(layer.operation, pl.Rescale):
        operator.kind, operator.options = "QUANTIZE", {}
    name = operator.node
    if operator.kind in WEIGHTED:
        (_, weight, bias), axis = WEIGHTED[operator.kind]
        factor = np.asarray(file.weights[f"{name}.factor"], np.float64)
        scale = (factor * y.scale / x.scale).astype(np.float32)
        product = (np.float32(x.scale) * scale).astype(np.float32)
        whole = inputs[weight]
        if whole.array is None:
            raise TypeError(whole.name)
        whole.array = whole.array.astype(np.int8)
        whole.dtype, whole.scales = "int8", Scales(scale, axis=axis)
        start = file.weights.get(f"{name}.bias", np.zeros(len(scale), np.int32))
        inputs[bias].array = np.asarray(start, np.int32)
        inputs[bias].dtype, inputs[bias].scales = "int32", Scales(product)
    elif operator.kind in TABLES:
        _, table = TABLES[operator.kind](x, y, operator.options)
        if not np.array_equal(table[None], file.weights[f"{name}.table"]):
            _refuse(layer, f"its table is not that of {operator.kind}")
