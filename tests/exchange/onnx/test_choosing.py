"""Comparisons, and choices by them, as exporters write functions out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SHAPE = (3, 4)


def write(path: Path, nodes: list, shape: tuple = ("N", *SHAPE), inputs: str = "x"):
    constants = {"two": 2.0, "half": 0.5, "zero": 0.0, "low": -1e9}
    arrays = [
        numpy_helper.from_array(np.float32(value), name)
        for name, value in constants.items()
    ]
    mask = np.random.default_rng(1).random(SHAPE) > 0.5
    row = np.random.default_rng(2).normal(size=SHAPE[-1]).astype(np.float32)
    arrays += [
        numpy_helper.from_array(mask, "mask"),
        numpy_helper.from_array(row, "row"),
    ]
    entries = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs
    ]
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = [helper.make_node(*node) for node in nodes]
    graph = helper.make_graph(made, "g", entries, [end], arrays)
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


CASES = {
    "exponential linear, whose other branch overflows": [
        ("Less", ["x", "zero"], ["below"]),
        ("Exp", ["x"], ["e"]),
        ("Sub", ["e", "half"], ["s"]),
        ("Where", ["below", "s", "x"], ["y"]),
    ],
    "a logarithm that is not always one": [
        ("Greater", ["x", "half"], ["above"]),
        ("Log", ["x"], ["l"]),
        ("Where", ["above", "l", "zero"], ["y"]),
    ],
    "both, either, not": [
        ("GreaterOrEqual", ["x", "zero"], ["a"]),
        ("LessOrEqual", ["x", "two"], ["b"]),
        ("And", ["a", "b"], ["c"]),
        ("Not", ["c"], ["n"]),
        ("Equal", ["x", "half"], ["e"]),
        ("Or", ["n", "e"], ["o"]),
        ("Xor", ["o", "a"], ["r"]),
        ("Mul", ["x", "x"], ["square"]),
        ("Add", ["square", "two"], ["sum"]),
        ("Where", ["r", "sum", "half"], ["y"]),
    ],
    "a reciprocal that is 0 where there is none": [
        ("Div", ["half", "x"], ["r"]),
        ("Equal", ["x", "zero"], ["is_none"]),
        ("Where", ["is_none", "zero", "r"], ["y"]),
    ],
    "a sign": [("Sign", ["x"], ["s"]), ("Mul", ["s", "two"], ["y"])],
    "a large negative number where it is masked": [
        ("Less", ["x", "half"], ["masked"]),
        ("Where", ["masked", "low", "x"], ["w"]),
        ("Softmax", ["w"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", CASES)
def test_a_choice_is_one_expression_of_what_it_chooses_from(name, tmp_path):
    path = write(tmp_path / "m.onnx", CASES[name])
    model = pl.exchange.read(path, engine="numpy")
    x = np.random.default_rng(0).normal(size=(4, *SHAPE)).astype(np.float32)
    x[0, 0] = 0, 0.5, 2, 200
    x[1:, :, 0] = 1  # so that no row is masked whole
    assert pl.exchange.verify_export(model, path, x).difference < 1e-6
    assert len(model.network.nodes) <= 3
    pl.exchange.write(model, tmp_path / "back.onnx")
    back = pl.exchange.read(tmp_path / "back.onnx", engine="numpy")
    np.testing.assert_allclose(back.predict(x), model.predict(x), atol=1e-6)


def test_what_is_not_a_number_has_no_sign(tmp_path):
    path = write(tmp_path / "m.onnx", [("Sign", ["x"], ["y"])])
    model = pl.exchange.read(path, engine="numpy")
    x = np.zeros((1, *SHAPE), np.float32)
    x[0, 0] = np.nan, np.inf, -np.inf, -2
    np.testing.assert_array_equal(model.predict(x), np.sign(x))


SEVERAL = {
    "a choice between two values": [
        ("Less", ["x", "z"], ["below"]),
        ("Where", ["below", "x", "z"], ["y"]),
    ],
    "logic of two values": [
        ("GreaterOrEqual", ["x", "z"], ["a"]),
        ("Greater", ["z", "zero"], ["b"]),
        ("And", ["a", "b"], ["c"]),
        ("Equal", ["x", "z"], ["e"]),
        ("Or", ["c", "e"], ["o"]),
        ("Xor", ["o", "b"], ["r"]),
        ("Not", ["r"], ["n"]),
        ("Where", ["n", "z", "half"], ["y"]),
    ],
    "a mask of the file": [("Where", ["mask", "x", "row"], ["y"])],
    "a constant for each place": [
        ("Less", ["x", "row"], ["below"]),
        ("Where", ["below", "row", "x"], ["y"]),
    ],
}


@pytest.mark.parametrize("name", SEVERAL)
def test_values_that_differ_are_compared_and_chosen_from(name, tmp_path):
    nodes = SEVERAL[name]
    inputs = "xz" if any("z" in given for _, given, _ in nodes) else "x"
    path = write(tmp_path / "m.onnx", nodes, inputs=inputs)
    random = np.random.default_rng(0)
    images = [random.normal(size=(4, *SHAPE)).astype(np.float32) for _ in inputs]
    if len(images) > 1:
        images[1][0] = images[0][0]
    given = images if len(images) > 1 else images[0]
    for engine in ("numpy", "compiled"):
        model = pl.exchange.read(path, engine=engine)
        assert pl.exchange.verify_export(model, path, given).difference < 1e-6


def test_a_choice_from_what_may_be_infinite_is_refused_by_name(tmp_path):
    nodes = [
        ("Less", ["x", "zero"], ["below"]),
        ("Log", ["z"], ["l"]),
        ("Where", ["below", "x", "l"], ["y"]),
    ]
    path = write(tmp_path / "m.onnx", nodes, inputs="xz")
    with pytest.raises(pl.ExchangeError, match=r"Where 'y' must choose .* log in 'l'"):
        pl.exchange.read(path)


@pytest.mark.parametrize(
    "nodes",
    [
        [("Tanh", ["x"], ["y"])],
        [("ReduceMax", ["x"], ["m"]), ("Sub", ["x", "m"], ["y"])],
        [("Reshape", ["x", "shape"], ["r"]), ("Softmax", ["r"], ["y"])],
    ],
)
def test_a_graph_of_one_example_has_no_batch_axis(nodes, tmp_path):
    """An input of a single axis, the output likewise."""
    path = write(tmp_path / "m.onnx", nodes, (6,))
    graph = onnx.load(path)
    shape = numpy_helper.from_array(np.array([2, 3]), "shape")
    graph.graph.initializer.append(shape)
    onnx.save(graph, path)
    model = pl.exchange.read(path, engine="numpy")
    assert model.network.input_shape == (6,)
    x = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float32)
    assert pl.exchange.verify_export(model, path, x).difference < 1e-6
