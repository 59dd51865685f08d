"""Serialize a graph to a .tflite file, and parse one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.litert import schema, variables
from pellucid.exchange.litert.about import NAME, read_about
from pellucid.exchange.litert.flatbuffer import decode, encode
from pellucid.exchange.litert.graph import Graph, Operator, Scales, Value
from pellucid.exchange.litert.names import NAMES
from pellucid.exchange.litert.sparse import fill_zeros

CARD = "pellucid.card"
_NUMBERS = {name: number for number, name in schema.TYPES.items()}
_PLACEHOLDER = 127  # in the old field of one byte, where a number does not fit


def to_bytes(graph: Graph) -> bytes:
    """Return the file."""
    buffers: list[dict[str, Any]] = [{}]  # the first is empty by the schema
    for value in graph.values:
        if value.array is not None:
            buffers.append({"data": value.array.astype(_little(value)).tobytes()})
    buffers.append({"data": (graph.card or "").encode()})
    codes = list(dict.fromkeys(_code(graph, op) for op in graph.operators))
    ends = [
        [{"name": graph.values[i].name, "tensor_index": i} for i in numbers]
        for numbers in (graph.all_inputs, graph.all_outputs)
    ]
    model = {
        "version": schema.VERSION,
        "description": "written by pellucid",
        "operator_codes": [_operator_code(*code) for code in codes],
        "subgraphs": [_subgraph(graph, codes)],
        "buffers": buffers,
        "metadata": [{"name": CARD, "buffer": len(buffers) - 1}],
        "signature_defs": [
            {
                "inputs": ends[0],
                "outputs": ends[1],
                "signature_key": "serving_default",
            }
        ],
    }
    return encode(schema.MODEL, model, identifier=schema.IDENTIFIER)


def _little(value: Value) -> np.dtype[Any]:
    return np.dtype(value.dtype).newbyteorder("<")


def _code(graph: Graph, operator: Operator) -> tuple[str, int]:
    """Return an operator's kind, and the version of it that a runtime must have."""
    is_int8 = any(graph.values[i].dtype == "int8" for i in operator.inputs if i >= 0)
    version = schema.KINDS[operator.kind].versions[is_int8]
    if operator.kind == "CONV_2D":
        x, weight = graph.inputs(operator)[:2]
        version = 6 if weight.shape[3] != x.shape[3] else version  # groups
    return operator.kind, version


def _operator_code(kind: str, version: int) -> dict[str, Any]:
    number = schema.KINDS[kind].number
    old = min(number, _PLACEHOLDER)
    return {"deprecated_builtin_code": old, "builtin_code": number, "version": version}


def _subgraph(graph: Graph, codes: list[tuple[str, int]]) -> dict[str, Any]:
    tensors, buffer = [], 0
    for value in graph.values:
        buffer += value.array is not None
        tensors.append(_tensor(value, buffer if value.array is not None else 0))
    operators = [
        {
            "opcode_index": codes.index(_code(graph, operator)),
            "inputs": operator.inputs,
            "outputs": operator.outputs,
            "builtin_options_type": schema.KINDS[operator.kind].options_number,
            "builtin_options": operator.options
            if schema.KINDS[operator.kind].options_number
            else None,
        }
        for operator in graph.operators
    ]
    return {
        "tensors": tensors,
        "operators": operators,
        "inputs": graph.all_inputs,
        "outputs": graph.all_outputs,
        "name": "main",
    }


def _tensor(value: Value, buffer: int) -> dict[str, Any]:
    is_open = value.array is None and value.is_any_batch
    scales = value.scales
    return {
        "shape": value.shape,
        "type": _NUMBERS[value.dtype],
        "buffer": buffer,
        "name": value.name,
        "is_variable": value.is_variable,
        "shape_signature": (-1, *value.shape[1:]) if is_open else None,
        "quantization": scales
        and {
            "scale": scales.scale,
            "zero_point": [scales.zero_point] * len(scales.scale),
            "quantized_dimension": scales.axis,
        },
    }


def from_bytes(content: bytes, path: Path) -> Graph:
    """Return the graph of a file.

    Raises
    ------
    ExchangeError
        If it has several graphs, or no input or output.
    """
    model = decode(schema.MODEL, content, identifier=schema.IDENTIFIER)
    graphs, buffers = model["subgraphs"] or [], model["buffers"] or []
    codes = [_kind_name(code) for code in model["operator_codes"] or []]
    values, operators = _contents(graphs[0], codes, buffers) if graphs else ([], [])
    once = variables.called_once(operators)
    if not graphs or once != set(range(1, len(graphs))):
        raise ExchangeError(
            "import: a .tflite must have one graph, and what begins its variables; "
            f"got {_show_graphs(len(graphs), codes)}."
        )
    subgraph = graphs[0]
    for what in ("input", "output"):
        found = subgraph[f"{what}s"]
        if found is None or not len(found):
            raise ExchangeError(f"import: a .tflite must have an {what}; got none.")
    count = len(subgraph["tensors"])
    entry, *entries = _indices(subgraph["inputs"], count)
    end, *ends = _indices(subgraph["outputs"], count)
    graph = Graph(
        name=path.stem,
        input=entry,
        output=end,
        more_inputs=tuple(entries),
        more_outputs=tuple(ends),
    )
    graph.values, graph.operators = values, operators
    if variables.has_variables(operators):
        begun = [_contents(graphs[i], codes, buffers) for i in sorted(once)]
        variables.open_variables(graph, [variables.Beginning(*one) for one in begun])
    for entry in model["metadata"] or []:
        if entry["name"] == CARD:
            graph.card = buffers[entry["buffer"]]["data"].tobytes().decode()
        if entry["name"] == NAME:
            data = buffers[entry["buffer"]]["data"]
            graph.about = None if data is None else read_about(data.tobytes(), content)
    return graph


def _contents(
    subgraph: dict[str, Any], codes: list[str], buffers: list[dict[str, Any]]
) -> tuple[list[Value], list[Operator]]:
    """Return the values and operators of one of a file's graphs."""
    values = [_value(tensor, buffers) for tensor in subgraph["tensors"] or []]
    operators = [
        Operator(
            kind=codes[operator["opcode_index"]],
            inputs=_indices(operator["inputs"], len(values)),
            outputs=_indices(operator["outputs"], len(values)),
            options=operator["builtin_options"] or _custom_options(operator),
        )
        for operator in subgraph["operators"] or []
    ]
    return values, operators


#: operators that run other graphs of a file, each time
_RUN_GRAPHS = {"CALL", "IF", "WHILE"}


def _show_graphs(count: int, codes: list[str]) -> str:
    """Return the number of graphs, and the operators for which they are there."""
    found = ", ".join(sorted(set(codes) & _RUN_GRAPHS))
    return f"{count}{f', for {found}' if found else ''}"


def _index(number: Any, count: int) -> int:
    if not -1 <= number < count:
        raise ValueError(f"tensor {number} of {count}")
    return int(number)


def _indices(numbers: Any, count: int) -> tuple[int, ...]:
    given = [] if numbers is None else numbers.tolist()
    return tuple(_index(number, count) for number in given)


def _kind_name(code: dict[str, Any]) -> str:
    number = max(code["builtin_code"], code["deprecated_builtin_code"])
    if code["custom_code"]:
        return f"custom operator {code['custom_code']}"
    return NAMES.get(number, f"operator {number}")


def _custom_options(operator: dict[str, Any]) -> dict[str, Any]:
    """Return the bytes that a custom operator is given, if there are any."""
    given = operator["custom_options"]
    return {} if given is None else {"custom_options": given.tobytes()}


def _free_axes(signature: Any) -> tuple[int, ...]:
    sizes = [] if signature is None else signature.tolist()
    return tuple(axis for axis, size in enumerate(sizes) if axis and size == -1)


def _zero_point(name: str, given: Any) -> int:
    points = [0] if given is None or not given.size else given.tolist()
    if len(set(points)) > 1:
        raise ExchangeError(
            f"import: '{name}' must have one zero point; got {len(set(points))}."
        )
    return int(points[0])


def _value(tensor: dict[str, Any], buffers: list[dict[str, Any]]) -> Value:
    signature = tensor["shape_signature"]
    shape = () if tensor["shape"] is None else tuple(tensor["shape"].tolist())
    is_any = signature is not None and len(signature) > 0 and signature[0] == -1
    value = Value(
        name=tensor["name"] or "",
        shape=shape,
        dtype=schema.TYPES.get(tensor["type"], f"type {tensor['type']}"),
        is_any_batch=bool(is_any),
        is_variable=bool(tensor["is_variable"]),
        free_axes=_free_axes(signature),
    )
    data = buffers[tensor["buffer"]]["data"]
    if value.dtype in _NUMBERS and data is not None and data.size:
        numbers = data.view(_little(value))
        sparsity = tensor["sparsity"]
        value.array = (
            numbers.reshape(shape)
            if sparsity is None
            else fill_zeros(numbers, shape, sparsity)
        )
    how = tensor["quantization"]
    if how is not None and how["scale"] is not None and how["scale"].size:
        value.scales = Scales(
            how["scale"],
            _zero_point(value.name, how["zero_point"]),
            axis=how["quantized_dimension"],
        )
    return value
