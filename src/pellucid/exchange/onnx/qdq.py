"""Find ONNX operators between DequantizeLinear and QuantizeLinear.

Where all of an operator's inputs are dequantized and its output is quantized, it is
joined with them to one operator on integers; elsewhere it stays the float operator
that it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.exchange.graph.ir import Graph, Operator
from pellucid.exchange.graph.tensor import Array
from pellucid.exchange.onnx.attributes import read_attributes
from pellucid.network.quantization import RANGES, Quantization

#: kind in the IR of an operator that computes with integers
KIND = "quantized"
#: … and of one that makes integers of its input, and floats of their products
HYBRID = "hybrid"
_DYNAMIC = {"ConvInteger", "MatMulInteger"}
WEIGHTED = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
_BINARY = {"Add", "Mul", "Sub"}
LOOKUPS = {
    "Elu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Relu",
    "Sigmoid",
    "Softplus",
    "Tanh",
}
_MEANS = {"AveragePool", "GlobalAveragePool"}
MOVES = {
    "Concat",
    "DepthToSpace",
    "Flatten",
    "Identity",
    "MaxPool",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
}
_KINDS = WEIGHTED | _BINARY | LOOKUPS | _MEANS | MOVES | {"Softmax"}


@dataclass(frozen=True, slots=True)
class Origin:
    """The integers that a dequantized constant was made of."""

    integers: Array
    scale: Array
    axis: int

    @property
    def real(self) -> Array:
        """The real numbers that they stand for."""
        scale = self.scale
        if scale.size > 1:
            shape = [1] * self.integers.ndim
            shape[self.axis] = -1
            scale = scale.reshape(shape)
        return self.integers.astype(np.float32) * scale.astype(np.float32)


def origin_of(arrays: list[Array | None], axis: int) -> Origin | None:
    """Return the integers that DequantizeLinear reads, from their zero point on."""
    x, scale = arrays[0], arrays[1]
    if x is None or scale is None or x.dtype.name not in ("int8", "uint8", "int32"):
        return None
    zero = arrays[2] if len(arrays) > 2 else None
    if zero is None or not zero.any():
        centred = x if x.dtype != np.uint8 else x.astype(np.int16)
        return Origin(centred, scale, axis)
    shape = [1] * x.ndim
    if zero.size > 1:
        shape[axis] = -1
    return Origin(
        x.astype(np.int16) - zero.astype(np.int16).reshape(shape), scale, axis
    )


def quantization_of(graph: Graph, operator: Operator) -> Quantization | None:
    """Return the scale and zero point of QuantizeLinear or DequantizeLinear.

    None where they are not one constant of each, or of other types.
    """
    names = [*operator.inputs[1:], "", ""]
    scale, zero = (graph.constants.get(name) for name in names[:2])
    if scale is None or scale.size != 1 or (names[1] and zero is None):
        return None
    dtype = "uint8" if zero is None else zero.dtype.name
    if dtype not in RANGES or (zero is not None and zero.size != 1):
        return None
    point = 0 if zero is None else int(zero.reshape(-1)[0])
    return Quantization(float(np.float32(scale.reshape(-1)[0])), point, dtype)


def find_quantized(graph: Graph, origins: dict[str, Origin]) -> None:
    """Join operators with the pairs around them, where all of these are there."""
    for operator in list(graph.operators):
        if getattr(operator.foreign, "op_type", "") in _DYNAMIC:
            _join_dynamic(graph, operator)
    for operator in list(graph.operators):
        kind = getattr(operator.foreign, "op_type", "")
        if kind in _KINDS and operator in graph.operators:
            _join(graph, operator, origins)


def _join(graph: Graph, operator: Operator, origins: dict[str, Origin]) -> None:
    kind = operator.foreign.op_type
    data = [n for n in operator.inputs if n and n not in graph.constants]
    before = [graph.made_by(name, "DequantizeLinear") for name in data]
    operands = [None if b is None else quantization_of(graph, b) for b in before]
    if not data or None in operands or len(operator.outputs) != 1:
        return
    if kind in _MEANS and not _counts_elements(operator):
        return
    ends = _follow(graph, operator, kind)
    if ends is None:
        return
    last, output, clamp, passed = ends
    more: dict[str, Any] = {}
    if kind in WEIGHTED:
        found = _weights(graph, operator, operands[0], origins)
        if found is None or data != operator.inputs[:1]:
            return
        more = found
    elif kind in _BINARY and len(data) == 1:
        (name,) = (n for n in operator.inputs if n in graph.constants)
        more = {"constant": name}
    inner = {n: b.inputs[0] for n, b in zip(data, before, strict=True) if b}
    operator.inputs = [inner.get(name, name) for name in operator.inputs]
    operator.outputs = list(last.outputs)
    operator.kind = KIND
    operator.attributes = {
        "operands": operands,
        "output": output,
        "clamp": clamp,
        **more,
    }
    for gone in passed:
        graph.operators.remove(gone)
    graph.makers[operator.output] = operator
    graph.changed()


def _join_dynamic(graph: Graph, operator: Operator) -> None:
    """Join an integer product with the range before it and the scales behind it."""
    x, weight, *zeros = [*operator.inputs, "", ""][:4]
    maker = graph.made_by(x, "DynamicQuantizeLinear")
    array, zero = graph.constants.get(weight), graph.constants.get(zeros[1])
    cast = _only_reader(graph, operator.output, "Cast")
    scaled = cast and _only_reader(graph, cast.output, "multiply")
    if maker is None or array is None or not scaled or zeros[0] != maker.outputs[2]:
        return
    (other,) = (name for name in scaled.inputs if name != cast.output)  # type: ignore[union-attr]
    product = graph.made_by(other, "multiply")
    scales = [] if product is None else [*product.inputs]
    if maker.outputs[1] not in scales:
        return
    scales.remove(maker.outputs[1])
    scale = graph.constants.get(scales[0])
    if scale is None:
        return
    axis = 0 if operator.foreign.op_type == "ConvInteger" else 1
    origin = origin_of([array, scale, zero], axis)
    if origin is None:
        return
    graph.constants[f"{weight}/integers"] = origin.integers
    operator.inputs = [maker.inputs[0], f"{weight}/integers"]
    operator.outputs = list(scaled.outputs)
    operator.kind, operator.attributes = HYBRID, {"weight_scale": scale.ravel()}
    for gone in (cast, scaled):
        graph.operators.remove(gone)  # type: ignore[arg-type]
    graph.makers[operator.output] = operator
    graph.changed()


def _only_reader(graph: Graph, value: str, kind: str) -> Operator | None:
    readers = graph.readers(value)
    is_only = graph.count(value) == 1 and len(readers) == 1
    return readers[0] if is_only and readers[0].kind == kind else None


def _counts_elements(operator: Operator) -> bool:
    """Whether a pool divides by the elements that there are."""
    given = read_attributes(operator.foreign)
    has_pads = any(given.get("pads", ())) or "auto_pad" in given
    return not given.get("ceil_mode") and not (
        has_pads and given.get("count_include_pad")
    )


def _follow(
    graph: Graph, operator: Operator, kind: str
) -> tuple[Operator, Quantization, str | None, list[Operator]] | None:
    """Return the QuantizeLinear behind an operator, and a ReLU or Clip between."""
    passed, clamp, value = list[Operator](), None, operator.output
    while graph.count(value) == 1 and graph.readers(value):
        (reader,) = graph.readers(value)
        if reader.kind == "QuantizeLinear":
            output = quantization_of(graph, reader)
            if output is None:
                return None
            return reader, output, clamp, [*passed, reader]
        limits = (reader.attributes.get("low"), reader.attributes.get("high"))
        is_six = reader.kind == "clip" and limits == (0, 6)
        is_relu = reader.kind == "relu" or (
            reader.kind == "clip" and limits == (0, None)
        )
        may_clamp = kind in WEIGHTED or kind in _BINARY
        if passed or not may_clamp or not (is_six or is_relu):
            return None
        passed, clamp, value = [reader], "relu6" if is_six else "relu", reader.output
    return None


def _weights(
    graph: Graph,
    operator: Operator,
    operand: Quantization | None,
    origins: dict[str, Origin],
) -> dict[str, Any] | None:
    """Put integers in the place of weight and bias; None where there are none."""
    names = operator.inputs
    origin = origins.get(names[1]) if len(names) > 1 else None
    given = read_attributes(operator.foreign)
    if origin is None or origin.integers.dtype == np.int32 or operand is None:
        return None
    kind = operator.foreign.op_type
    outputs = {"Conv": 0, "Gemm": 0 if given.get("transB") else 1}.get(kind, 1)
    is_plain = given.get("alpha", 1.0) == given.get("beta", 1.0) == 1.0
    axis = origin.axis % max(origin.integers.ndim, 1)
    if not is_plain or (origin.scale.size > 1 and axis != outputs):
        return None
    if kind == "ConvTranspose" and origin.scale.size > 1 and given.get("group", 1) > 1:
        return None
    weight, bias = f"{names[1]}/integers", None
    scale = origin.scale.astype(np.float64).ravel()
    if len(names) > 2 and names[2]:
        bias = _integer_bias(graph, names[2], operand.scale * scale, origins)
        if bias is None:
            return None
        graph.constants[f"{names[2]}/integers of {operator.output}"] = bias
        operator.inputs[2] = f"{names[2]}/integers of {operator.output}"
    graph.constants[weight] = origin.integers
    operator.inputs[1] = weight
    return {"weight_scale": scale, "weight_dtype": origin.integers.dtype.name}


def _integer_bias(
    graph: Graph, name: str, step: Array, origins: dict[str, Origin]
) -> Array | None:
    origin, real = origins.get(name), graph.constants.get(name)
    is_same = origin is not None and np.allclose(
        origin.scale.ravel(), step, rtol=1e-5, atol=0
    )
    if origin is not None and is_same and origin.integers.dtype == np.int32:
        return origin.integers
    if real is None:
        return None
    whole = np.rint(real.astype(np.float64) / step)
    if np.abs(whole).max(initial=0) >= 2**31:
        return None
    return whole.astype(np.int32)
