"""Graphs of float16 or bfloat16 as graphs of float32, which hold the same numbers.

Only what such a graph computes is rounded less; pellucid has no arithmetic of 16 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import numpy_helper

#: float16 and bfloat16
HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_WIDE = onnx.TensorProto.FLOAT


def widen(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of float32; the same where nothing is computed in 16 bits.

    Weights stay as they are in the graph: they are widened when they are read.
    """
    if not _computes_halves(model.graph):
        return model
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    _widen_graph(wide.graph)
    return wide


def _computes_halves(graph: onnx.GraphProto) -> bool:
    ends = any(map(_is_half, (*graph.input, *graph.output)))
    return ends or any(
        (attribute.name == "to" and attribute.i in HALVES)
        or (
            attribute.type == onnx.AttributeProto.GRAPH
            and _computes_halves(attribute.g)
        )
        for attribute in _attributes(graph)
    )


def _is_half(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type in HALVES


def _widen_graph(graph: onnx.GraphProto) -> None:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if _is_half(value):
            value.type.tensor_type.elem_type = _WIDE
    for attribute in _attributes(graph):
        if attribute.name == "to" and attribute.i in HALVES:
            attribute.i = _WIDE
        if attribute.type == onnx.AttributeProto.GRAPH:
            _widen_graph(attribute.g)
        if attribute.type == onnx.AttributeProto.TENSOR:
            _widen_tensor(attribute.t)


def _attributes(graph: onnx.GraphProto) -> Iterator[onnx.AttributeProto]:
    for node in graph.node:
        yield from node.attribute


def _widen_tensor(tensor: onnx.TensorProto) -> None:
    """Replace a tensor of an operator, which lies in the file."""
    is_inside = tensor.data_location != onnx.TensorProto.EXTERNAL
    if tensor.data_type in HALVES and is_inside:
        array = numpy_helper.to_array(tensor).astype("float32")
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
