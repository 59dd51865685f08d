"""Quantized ONNX operators against onnxruntime, within one step of the output."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import pellucid as pl
from pellucid.exchange.dequantize import dequantize
from pellucid.exchange.onnx.read import Graph
from pellucid.model import from_file

COUNT = 20
OUT = 0.13
RANDOM = np.random.default_rng(0)
IMAGE = [COUNT, 4, 7, 6]


class Builder:
    """A graph of one operator, as a QDQ group or as a QLinear operator."""

    def __init__(self, dtype: str, *, is_qlinear: bool) -> None:
        self.dtype, self.is_qlinear = dtype, is_qlinear
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.entries: dict[str, list[int]] = {}

    def constant(self, name: str, array: Any) -> str:
        self.constants[name] = np.asarray(array)
        return name

    def scales(self, name: str, scale: Any, zero: Any, dtype: str = "") -> list[str]:
        point = np.asarray(zero, dtype or self.dtype)
        return [
            self.constant(f"{name}_scale", np.asarray(scale, np.float32)),
            self.constant(f"{name}_zero", point),
        ]

    def add(self, kind: str, inputs: list[str], output: str, **more: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **more))
        return output

    def input(self, name: str, shape: list[int], scale: float = 0.05) -> list[str]:
        """Return the names of a quantized input: value, scale and zero point."""
        self.entries[name] = shape
        zero = 7 if self.dtype == "int8" else 120
        scales = self.scales(name, scale, zero)
        whole = self.add("QuantizeLinear", [name, *scales], f"{name}_q")
        return [whole, *scales]

    def operator(
        self,
        kind: str,
        operands: list[list[str]],
        *,
        bias: Any = None,
        clamp: str = "",
        domain: str = "",
        qlinear: str = "",
        output: float = OUT,
        **attributes: Any,
    ) -> None:
        zero = -11 if self.dtype == "int8" else 100
        ends = self.scales("y", output, zero)
        if self.is_qlinear:
            given = [name for operand in operands for name in operand] + ends
            if kind == "Concat":
                given = ends + given[:-2]
            given += [self.constant("bias", bias)] if bias is not None else []
            name = qlinear or f"QLinear{kind}"
            self.add(name, given, "y_q", domain=domain, **attributes)
        else:
            names = [
                self.add("DequantizeLinear", o, f"{o[0]}_real", **_axis(kind, i))
                for i, o in enumerate(operands)
            ]
            if bias is not None:
                scale = self.constants[operands[0][1]] * self.constants[operands[1][1]]
                held = [self.constant("b", bias), self.constant("b_scale", scale)]
                names.append(self.add("DequantizeLinear", held, "bias_real", axis=0))
            made = self.add(kind, names, "real", **attributes)
            if clamp:
                made = self.add(clamp, [made], "clamped")
            self.add("QuantizeLinear", [made, *ends], "y_q")
        self.add("DequantizeLinear", ["y_q", *ends], "y")

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "one",
            [
                helper.make_tensor_value_info(
                    name, TensorProto.FLOAT, ["n", *shape[1:]]
                )
                for name, shape in self.entries.items()
            ],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(a, n) for n, a in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def _axis(kind: str, operand: int) -> dict[str, int]:
    return {"axis": 0} if kind in ("Conv", "Gemm") and operand == 1 else {}


def weight(b, shape, *, outputs=None, zero=0):
    """A weight, per channel where ``outputs`` are given; of uint8 with a zero point."""
    dtype = "uint8" if zero else "int8"
    info = np.iinfo(dtype)
    array = RANDOM.integers(info.min, info.max + 1, shape, dtype=dtype)
    b.constant("w", array)
    if outputs is None:
        return ["w", *b.scales("w", 0.01, zero, dtype)]
    steps = RANDOM.uniform(0.005, 0.02, outputs)
    return ["w", *b.scales("w", steps, np.zeros(outputs), dtype)]


def conv(b, shape=(6, 4, 3, 3), *, zero=0, **attributes):
    outputs = None if zero else shape[0]
    bias = RANDOM.integers(-500, 500, shape[0]).astype(np.int32)
    operands = [b.input("x", IMAGE), weight(b, shape, outputs=outputs, zero=zero)]
    b.operator("Conv", operands, bias=bias, **attributes)


def matmul(b, *, is_gemm=False):
    shape = (9, 40) if is_gemm else (40, 9)
    operands = [b.input("x", [COUNT, 40]), weight(b, shape, outputs=9)]
    if is_gemm:
        bias = RANDOM.integers(-500, 500, 9).astype(np.int32)
        b.operator("Gemm", operands, bias=bias, transB=1, clamp="Relu")
    else:
        b.operator("MatMul", operands)


def binary(b, kind, **more):
    operands = [b.input("x", IMAGE), b.input("z", [COUNT, 4, 1, 1], 0.07)]
    b.operator(kind, operands, domain="com.microsoft", **more)


def unary(b, kind, **more):
    b.operator(kind, [b.input("x", IMAGE)], domain="com.microsoft", **more)


def concat(b):
    operands = [b.input("x", IMAGE), b.input("z", IMAGE, 0.08)]
    b.operator("Concat", operands, axis=1, domain="com.microsoft")


def add_constant(b):
    b.constant("c", RANDOM.integers(-90, 90, (1, 4, 1, 1), dtype=np.int8))
    given = ["c", *b.scales("c", 0.02, 3, "int8")]
    b.operator("Add", [b.input("x", IMAGE), given])


_POOL = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}
#: name → what adds the operator, whether a QLinear operator exists
CASES = {
    "conv": (lambda b: conv(b, pads=[1, 1, 1, 1], strides=[2, 2]), True),
    "conv depthwise": (lambda b: conv(b, (4, 1, 3, 3), group=4), True),
    "conv with zero point": (lambda b: conv(b, zero=130, dilations=[2, 2]), True),
    "conv relu": (lambda b: conv(b, clamp="Relu"), False),
    "matmul": (matmul, True),
    "gemm relu": (lambda b: matmul(b, is_gemm=True), False),
    "add": (lambda b: binary(b, "Add"), True),
    "add a constant": (add_constant, False),
    "multiply": (lambda b: binary(b, "Mul", output=0.3), True),
    "sigmoid": (lambda b: unary(b, "Sigmoid", output=1 / 256), True),
    "leaky relu": (lambda b: unary(b, "LeakyRelu", alpha=0.2), True),
    "average pool": (lambda b: unary(b, "AveragePool", output=0.04, **_POOL), True),
    "global average": (lambda b: unary(b, "GlobalAveragePool", output=0.01), False),
    "softmax": (lambda b: unary(b, "Softmax", output=1 / 256, axis=3), False),
    "concat": (concat, True),
    "max pool": (lambda b: unary(b, "MaxPool", **_POOL), False),
}
FORMS = [
    (name, is_qlinear)
    for name, (_, has_qlinear) in CASES.items()
    for is_qlinear in ((False, True) if has_qlinear else (False,))
]


@pytest.fixture
def in_runtime():
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

    def run(model: onnx.ModelProto, inputs: dict[str, Any]) -> Any:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = ort.InferenceSession(model.SerializeToString(), options)
        return session.run(None, inputs)[0]

    return run


def read(model: onnx.ModelProto):
    graph = Graph(model, None, {})
    return graph, graph.file("one")


def to_ours(array):
    return array.transpose(0, 2, 3, 1) if array.ndim == 4 else array


@pytest.mark.parametrize(("name", "is_qlinear"), FORMS)
def test_an_operator_is_within_one_step(in_runtime, name, is_qlinear):
    dtype = "uint8" if is_qlinear else "int8"
    builder = Builder(dtype, is_qlinear=is_qlinear)
    CASES[name][0](builder)
    model = builder.model()
    graph, file = read(model)
    assert not any(
        node.layer.who.startswith(("Conv", "Dense", "Add"))
        for node in file.network.nodes
    )
    inputs = {
        key: RANDOM.uniform(-5, 5, shape).astype(np.float32)
        for key, shape in builder.entries.items()
    }
    expected = in_runtime(model, inputs)
    given = [to_ours(array) for array in inputs.values()]
    images = tuple(given) if len(given) > 1 else given[0]
    found = from_file(file, engine="numpy").predict(images)
    (output,) = graph.outputs.values()
    step = float(builder.constants["y_scale"])
    assert np.abs(output.to_foreign(found) - expected).max() <= 1.01 * step
    floats = from_file(dequantize(file), engine="numpy").predict(images)
    ends = np.abs(found - found.min()) > step, np.abs(found - found.max()) > step
    is_inside = ends[0] & ends[1]
    assert np.abs(floats - found)[is_inside].max(initial=0) <= 4 * step
    if name in ("conv", "matmul", "add") and not is_qlinear:
        graph.check(file)
        compiled = from_file(file, engine="compiled").predict(images)
        np.testing.assert_array_equal(compiled, found)


def whole_input():
    """QLinearConv on an input of uint8, whose output is dequantized."""
    builder = Builder("uint8", is_qlinear=True)
    conv(builder)
    builder.nodes = [n for n in builder.nodes if n.op_type != "QuantizeLinear"]
    model = builder.model()
    entry = model.graph.input[0]
    entry.name, entry.type.tensor_type.elem_type = "x_q", TensorProto.UINT8
    return model


def test_an_input_of_integers_takes_what_they_stand_for(in_runtime, tmp_path):
    model = whole_input()
    onnx.save(model, tmp_path / "one.onnx")
    ours = pl.exchange.read(tmp_path / "one.onnx", engine="numpy")
    q = RANDOM.integers(0, 256, IMAGE, dtype=np.uint8)
    expected = in_runtime(model, {"x_q": q})
    real = (q.astype(np.float32) - 120) * np.float32(0.05)
    found = ours.predict(to_ours(real))
    assert np.abs(found - to_ours(expected)).max() <= 1.01 * OUT


def test_an_operator_without_a_pair_stays_a_float_operator(in_runtime):
    builder = Builder("int8", is_qlinear=False)
    conv(builder)
    model = builder.model()
    del model.graph.node[-2:]
    model.graph.node[-1].output[0] = "y"
    graph, file = read(model)
    kinds = [type(node.layer) for node in file.network.nodes]
    assert kinds == [pl.Input, pl.Quantize, pl.Dequantize, pl.Conv2D]
    graph.check(file)
    x = RANDOM.normal(0, 3, IMAGE).astype(np.float32)
    expected = in_runtime(model, {"x": x})
    found = from_file(file, engine="numpy").predict(to_ours(x))
    np.testing.assert_allclose(found, to_ours(expected), rtol=1e-5, atol=1e-4)


def test_a_scale_for_each_channel_of_a_value_is_refused():
    builder = Builder("int8", is_qlinear=False)
    builder.entries["x"] = IMAGE
    scales = builder.scales("x", [0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0])
    builder.add("QuantizeLinear", ["x", *scales], "x_q", axis=1)
    builder.add("DequantizeLinear", ["x_q", *scales], "y", axis=1)
    with pytest.raises(pl.ExchangeError, match=r"one scale and one zero point.*got 4"):
        read(builder.model())


def dynamic(kind, weight, scale, zero, bias):
    """A product of integers as onnxruntime's dynamic quantization writes it."""
    is_conv = kind == "ConvInteger"
    shape = [1, 4, 7, 6] if is_conv else [1, 40]
    arrays = {"w": weight, "w_scale": scale, "w_zero": zero, "b": bias}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        helper.make_node(kind, ["q", "w", "zero", "w_zero"], ["sums"]),
        helper.make_node("Cast", ["sums"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["scale", "w_scale"], ["step"]),
        helper.make_node("Mul", ["floats", "step"], ["scaled"]),
        helper.make_node("Add", ["scaled", "b"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape[1:]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8), shape


DYNAMIC = {
    "dense": lambda: dynamic(
        "MatMulInteger",
        RANDOM.integers(-128, 128, (40, 9), dtype=np.int8),
        RANDOM.uniform(0.01, 0.03, 9).astype(np.float32),
        np.zeros(9, np.int8),
        RANDOM.normal(size=9).astype(np.float32),
    ),
    "conv with zero point": lambda: dynamic(
        "ConvInteger",
        RANDOM.integers(0, 256, (5, 4, 3, 3), dtype=np.uint8),
        np.asarray(0.02, np.float32),
        np.asarray(131, np.uint8),
        RANDOM.normal(size=(1, 5, 1, 1)).astype(np.float32),
    ),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_product_of_integers_takes_the_range_of_each_example(in_runtime, name):
    model, shape = DYNAMIC[name]()
    graph, file = read(model)
    graph.check(file)
    assert [type(node.layer) for node in file.network.nodes] == [pl.Input, pl.Hybrid]
    x = RANDOM.normal(0.4, 1, (6, *shape[1:])).astype(np.float32)
    x[2] = 0
    expected = np.concatenate([in_runtime(model, {"x": one[None]}) for one in x])
    for engine in ("numpy", "compiled"):
        found = from_file(file, engine=engine).predict(to_ours(x))
        np.testing.assert_allclose(found, to_ours(expected), rtol=1e-5, atol=1e-5)
    floats = from_file(dequantize(file), engine="numpy").predict(to_ours(x))
    np.testing.assert_allclose(floats, to_ours(expected), atol=0.6)
