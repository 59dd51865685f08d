"""Quantize a float32 graph to int8 after training.

Operators that only move elements keep their scale; those that compute get the scale
of the calibrated range; softmax, sigmoid and tanh have the scales that the
specification fixes.

References
----------
LiteRT's 8-bit quantization specification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pellucid.exchange.errors import export_error
from pellucid.exchange.int8.arithmetic import (
    HIGH,
    compute_scales,
    quantize_array,
    quantize_weight_and_bias,
)
from pellucid.exchange.int8.calibration import Range
from pellucid.exchange.litert import schema
from pellucid.exchange.litert.graph import Array, Graph, Operator, Scales, Value

#: operators whose output has the scale of their input
MOVES = {
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "PAD",
    "PADV2",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "STRIDED_SLICE",
    "TRANSPOSE",
}
_COMPUTES = {
    "ADD",
    "CONCATENATION",
    "GELU",
    "HARD_SWISH",
    "LEAKY_RELU",
    "MEAN",
    "MUL",
    "RELU",
    "RELU6",
}
_RELU6 = schema.ACTIVATIONS.index("RELU6")
_PROBABILITY = Scales(np.asarray([1 / 256], np.float32), -128)
_FIXED = {
    "LOGISTIC": _PROBABILITY,
    "SOFTMAX": _PROBABILITY,
    "TANH": Scales(np.asarray([1 / 128], np.float32), 0),
}
NO_LIMITS: Mapping[str, int] = {}
#: kind → (input, weight, bias) among the inputs, and the weight's axis of channels
WEIGHTED = {
    "CONV_2D": ((0, 1, 2), 0),
    "DEPTHWISE_CONV_2D": ((0, 1, 2), 3),
    "FULLY_CONNECTED": ((0, 1, 2), 0),
    "TRANSPOSE_CONV": ((2, 1, 3), 0),
}


def quantize(
    graph: Graph, ranges: Mapping[str, Range], most: Mapping[str, int] = NO_LIMITS
) -> Graph:
    """Quantize a graph to int8, its inputs and outputs too.

    Parameters
    ----------
    graph : Graph
        Of float32, from a network of ours.
    ranges : mapping of str to (float, float)
        What each node made, from `pellucid.exchange.int8.calibration`.
    most : mapping of str to int
        The largest integer of a node's weights, where that is not 127.

    Raises
    ------
    ExchangeError
        If an operator has no int8 form.
    """
    _refuse_rounding(graph)
    values = [replace(value) for value in graph.values]
    made = replace(graph, values=values, operators=[], known={})
    for number in made.all_inputs:
        entry = made.values[number]
        entry.dtype = "int8"
        entry.scales = compute_scales(ranges[entry.node or ""])
    for operator in graph.operators:
        own = _own_weights(made, graph, operator)
        _convert(made, own, ranges, most)
    return made


def _refuse_rounding(graph: Graph) -> None:
    """Refuse networks that round in floats, as those of `prepare_qat` do."""
    for operator in graph.operators:
        if operator.kind == "ROUND":
            reason = (
                "rounding in floats has no int8 form. A model of prepare_qat is "
                "quantized from its .pellucid file, which has its ranges; other "
                "formats hold the rounding alone"
            )
            raise export_error("int8", operator.who, reason)


def needed_ranges(graph: Graph) -> set[str]:
    """Return the nodes whose ranges `quantize` asks for.

    Raises
    ------
    ExchangeError
        If an operator has no int8 form.
    """
    asked: set[str] = set()
    nodes = {value.node for value in graph.values if value.node is not None}

    class _Ranges(dict[str, Range]):
        def __missing__(self, name: str) -> Range:
            asked.add(name)
            return -1.0, 1.0

        def __contains__(self, name: object) -> bool:
            return name in nodes

    quantize(graph, _Ranges())
    return asked


def _own_weights(made: Graph, graph: Graph, operator: Operator) -> Operator:
    """Give an operator copies of weights that another has, for inputs differ in scale.

    The bias counts in steps of input and weight together.
    """
    if operator.kind not in WEIGHTED:
        return operator
    inputs = list(operator.inputs)
    for place in WEIGHTED[operator.kind][0][1:]:
        first = graph.values[inputs[place]]
        if made.values[inputs[place]].dtype != first.dtype:
            name = f"{first.name} of {operator.who or operator.kind} {operator.outputs}"
            inputs[place] = made.add(replace(first, name=name))
    return replace(operator, inputs=tuple(inputs))


def _convert(
    made: Graph,
    operator: Operator,
    ranges: Mapping[str, Range],
    most: Mapping[str, int],
) -> None:
    """Give an operator's output its scale, and its constants theirs."""
    output = made.values[operator.outputs[0]]
    inputs, kind = made.inputs(operator), operator.kind
    output.dtype = "int8"
    if kind in _FIXED:
        output.scales = _FIXED[kind]
    elif kind in MOVES and (not kind.startswith("RESIZE") or _enlarges(made, operator)):
        output.scales = inputs[0].scales
        if kind == "PADV2":
            _set(inputs[2], np.asarray([-128], np.int8), inputs[0].scales)
    elif kind in WEIGHTED or kind in _COMPUTES:
        if kind in _COMPUTES:
            _quantize_constants(operator, inputs)
        low, high = _range(operator, output, inputs, ranges)
        if operator.options.get("fused_activation_function") == _RELU6:
            low, high = max(low, 0.0), min(high, 6.0)  # the integers end at the limits
        output.scales = compute_scales((low, high))
        if kind in WEIGHTED:
            _quantize_weights(made, operator, most)
        if kind == "CONCATENATION":
            operator = _requantize_inputs(made, operator, output)
    else:
        raise export_error("int8", operator.who, f"{kind} has no int8 form")
    made.operators.append(operator)


def _quantize_constants(operator: Operator, inputs: list[Value]) -> None:
    """Quantize the number that an ADD or MUL has beside the value that it reads."""
    for value in inputs:
        if value.dtype != "float32":
            continue
        if value.array is None or value.array.size != 1:
            reason = f"{operator.kind} by a constant has no int8 form"
            raise export_error("int8", operator.who, reason)
        number = float(value.array.item())
        scales = compute_scales((number, number))
        _set(value, quantize_array(value.array, scales), scales)


def _enlarges(made: Graph, operator: Operator) -> bool:
    """Return whether a resize repeats or interpolates pixels by whole factors.

    That is what the kernels in C do, with half-pixel centres.
    """
    old, new = (
        made.values[i].shape[1:3] for i in (operator.inputs[0], operator.outputs[0])
    )
    is_whole = all(n and m % n == 0 for n, m in zip(old, new, strict=True))
    wanted = operator.kind == "RESIZE_BILINEAR"
    flags = operator.options
    is_usual = bool(flags.get("half_pixel_centers")) == wanted
    return is_whole and is_usual and not flags.get("align_corners")


def _range(
    operator: Operator, output: Value, inputs: list[Value], ranges: Mapping[str, Range]
) -> Range:
    """Return what was seen; of a partial result, which no node is, what may be."""
    if output.node is not None and output.node not in ranges:
        what = f"'{output.node}', a step of a recurrent layer, has no int8 form"
        raise export_error("int8", operator.who, what)
    if output.node is not None:
        return ranges[output.node]
    ends = [_ends(value) for value in inputs]
    if operator.kind == "MUL":
        products = [x * z for x in ends[0] for z in ends[1]]
        return min(products), max(products)
    return sum(low for low, _ in ends), sum(high for _, high in ends)


def _ends(value: Value) -> Range:
    if value.real is not None:
        return (number := float(value.real.item())), number
    scales = value.scales or _PROBABILITY
    low, high = (scales.one * (q - scales.zero_point) for q in (-128, 127))
    return low, high


def _quantize_weights(made: Graph, operator: Operator, most: Mapping[str, int]) -> None:
    (x, weight, bias), axis = WEIGHTED[operator.kind]
    values = made.inputs(operator)
    scales = values[x].scales or _PROBABILITY
    numbers, start, wide, product = quantize_weight_and_bias(
        np.asarray(values[weight].array),
        np.asarray(values[bias].array),
        axis=axis,
        scale=scales.one,
        most=most.get(operator.node, HIGH),
    )
    _set(values[weight], numbers, wide)
    _set(values[bias], start, product)


def _set(value: Value, array: Array, scales: Scales | None) -> None:
    value.array, value.dtype, value.scales = array, array.dtype.name, scales


def _requantize_inputs(made: Graph, operator: Operator, output: Value) -> Operator:
    """Bring what is joined to the scale of the whole, as LiteRT demands."""
    inputs = []
    for i in operator.inputs:
        value = made.values[i]
        if value.scales is None or output.scales is None:
            raise ValueError(f"'{value.name}' has no scale")
        if not value.scales.same(output.scales):
            name = f"{value.name}_in_{output.name}"
            same = replace(value, name=name, scales=output.scales)
            i, before = made.add(same), i
            made.operators.append(
                Operator(kind="QUANTIZE", inputs=(before,), outputs=(i,))
            )
        inputs.append(i)
    return replace(operator, inputs=tuple(inputs))
