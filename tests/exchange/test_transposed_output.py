"""A transposition at the end of a graph: laid out as the input, or a Permute."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import TensorProto, helper

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.litert import container
from pellucid.exchange.litert.graph import Graph, Operator, Value

ORDERS = [(0, *order) for order in itertools.permutations((1, 2, 3))]
SAME, LAST = (0, 1, 2, 3), (0, 2, 3, 1)
pytest.importorskip("onnx", reason="onnx is not installed")


def litert(order, path, shape=(1, 4, 5, 3)):
    graph = Graph(name="case")
    graph.input = graph.add(Value(name="x", shape=shape))
    relu = graph.add(Value(name="r", shape=shape))
    array = graph.constant("order", np.asarray(order, np.int32))
    turned = tuple(shape[axis] for axis in order)
    graph.output = graph.add(Value(name="y", shape=turned))
    graph.operators = [
        Operator(kind="RELU", inputs=(graph.input,), outputs=(relu,)),
        Operator(kind="TRANSPOSE", inputs=(relu, array), outputs=(graph.output,)),
    ]
    path.write_bytes(container.to_bytes(graph))
    return exchange.read(path, engine="numpy")


def onnx(order, path, shape=("N", 3, 4, 5)):
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Transpose", ["r"], ["y"], perm=order),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    path.write_bytes(model.SerializeToString())
    return exchange.read(path, engine="numpy")


@pytest.mark.parametrize("order", ORDERS)
def test_a_litert_graph_ends_laid_out_as_it_does(order, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    model = litert(order, tmp_path / "m.tflite")
    np.testing.assert_array_equal(model.predict(x), x.clip(0).transpose(order))
    kinds = [type(node.layer) for node in model.network.nodes]
    assert (pl.Permute in kinds) == (order != SAME)


def test_a_square_image_is_no_exception(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    model = litert((0, 2, 1, 3), tmp_path / "m.tflite", shape=(1, 4, 4, 3))
    np.testing.assert_array_equal(model.predict(x), x.clip(0).transpose(0, 2, 1, 3))


def test_an_axis_of_length_one_may_stand_anywhere(tmp_path):
    ours = litert((0, 3, 1, 2), tmp_path / "m.tflite", shape=(1, 4, 5, 1))
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 1)).astype(np.float32)
    assert np.allclose(ours.predict(x), x.clip(0))


@pytest.mark.parametrize("order", ORDERS)
def test_an_onnx_graph_ends_channels_first_or_last(order, tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 3)).astype(np.float32)
    wanted = x.clip(0)
    if order not in (SAME, LAST):
        wanted = wanted.transpose(0, 3, 1, 2).transpose(order)
    y = onnx(order, tmp_path / "m.onnx").predict(x)
    np.testing.assert_array_equal(y, wanted)


def test_a_sequence_is_turned(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    model = onnx((0, 2, 1), tmp_path / "m.onnx", shape=("N", 4, 5))
    np.testing.assert_array_equal(model.predict(x), x.clip(0).transpose(0, 2, 1))
