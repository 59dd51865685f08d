"""Write QLinear operators out: dequantize, compute, quantize."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx

from pellucid.exchange.graph.tensor import Array

#: operator → the plain one, and where its values lie among (value, scale, zero point)
_TRIPLES: dict[str, tuple[str, int]] = {
    "QLinearAdd": ("Add", 2),
    "QLinearAveragePool": ("AveragePool", 1),
    "QLinearConv": ("Conv", 2),
    "QLinearGlobalAveragePool": ("GlobalAveragePool", 1),
    "QLinearLeakyRelu": ("LeakyRelu", 1),
    "QLinearMatMul": ("MatMul", 2),
    "QLinearMul": ("Mul", 2),
    "QLinearSigmoid": ("Sigmoid", 1),
}
NAMES = frozenset({*_TRIPLES, "QGemm", "QLinearConcat", "QLinearSoftmax"})
Constant = Callable[[str], Array | None]


def write_out(
    node: onnx.NodeProto, constant: Constant, add: Callable[[str, Array], None]
) -> list[onnx.NodeProto]:
    """Return the operators that a QLinear operator stands for.

    Parameters
    ----------
    node : NodeProto
    constant : callable
        Returns the constant of a name, None where it is none.
    add : callable
        Adds a constant under a name.
    """
    given = [*node.input]
    kept = [a for a in node.attribute if a.name != "channels_last"]
    if node.op_type == "QLinearConcat":
        ends, rest = given[:2], given[2:]
        operands = [rest[i : i + 3] for i in range(0, len(rest), 3)]
        plain, more = "Concat", list[str]()
    elif node.op_type == "QGemm":
        operands, more, ends, plain = (
            [given[:3], given[3:6]],
            given[6:7],
            given[7:],
            "Gemm",
        )
    elif node.op_type == "QLinearSoftmax":
        operands, ends, plain, more = [given[:3]], given[3:5], "Softmax", []
        kept = [a for a in kept if a.name != "opset"]
    else:
        plain, count = _TRIPLES[node.op_type]
        operands = [given[3 * i : 3 * i + 3] for i in range(count)]
        ends, more = given[3 * count : 3 * count + 2], given[3 * count + 2 :]
    out = node.output[0]
    made, names = list[onnx.NodeProto](), list[str]()
    for i, (value, *scales) in enumerate(operands):
        names.append(f"{out}/real {i}")
        made.append(_node("DequantizeLinear", [value, *scales], names[-1], out))
        if i == 1 and _has_outputs_first(node):
            made[-1].attribute.append(onnx.helper.make_attribute("axis", 0))
    if more and more[0]:
        scales = [constant(operands[i][1]) for i in range(2)]
        if None not in [None if s is None else 0 for s in scales]:
            first, second = (np.asarray(s, np.float32).reshape(-1) for s in scales)
            add(f"{out}/bias scale", first * second)
        names.append(f"{out}/real bias")
        bias = _node("DequantizeLinear", [more[0], f"{out}/bias scale"], names[-1], out)
        bias.attribute.append(onnx.helper.make_attribute("axis", 0))
        made.append(bias)
    end = f"{out}/real" if ends and ends[0] else out
    inner = onnx.helper.make_node(plain, names, [end], name=node.name or out)
    inner.attribute.extend(kept)
    if end == out:  # QGemm may give floats
        return [*made, inner]
    return [*made, inner, _node("QuantizeLinear", [end, *ends], out, out)]


def _has_outputs_first(node: onnx.NodeProto) -> bool:
    """Whether the weight's first axis is that of the output channels."""
    is_turned = any(a.name == "transB" and a.i for a in node.attribute)
    return node.op_type == "QLinearConv" or is_turned


def _node(kind: str, inputs: list[str], output: str, name: str) -> onnx.NodeProto:
    return onnx.helper.make_node(kind, inputs, [output], name=f"{name}/{kind}")
