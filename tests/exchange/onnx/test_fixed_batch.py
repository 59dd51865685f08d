"""Graphs for one batch size: constants repeated for it, elements gathered in a row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pellucid as pl

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

BATCH, SHAPE = 2, (3, 4, 4)
ALL = (BATCH, *SHAPE)


def write(path: Path, nodes: list, constants: dict[str, np.ndarray]) -> Path:
    from onnx import TensorProto, helper, numpy_helper

    entry, exit_ = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ALL) for name in "xy"
    )
    arrays = [numpy_helper.from_array(a, name) for name, a in constants.items()]
    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes], "g", [entry], [exit_], arrays
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def check(path: Path) -> pl.Network:
    model = pl.exchange.read(path, engine="numpy")
    images = np.random.default_rng(0).normal(size=(BATCH, 4, 4, 3)).astype(np.float32)
    assert pl.exchange.verify_export(model, path, images).difference < 1e-6
    return model.network


@pytest.mark.parametrize("kind", ["Add", "Mul", "Sub"])
def test_a_constant_repeated_for_the_batch_is_one_for_each_example(
    tmp_path: Path, kind: str
) -> None:
    one = np.random.default_rng(1).normal(size=(1, *SHAPE)).astype(np.float32)
    nodes = [(kind, ["x", "c"], ["y"])]
    check(write(tmp_path / "m.onnx", nodes, {"c": np.repeat(one, BATCH, 0)}))


def test_a_constant_that_differs_between_examples_is_refused(tmp_path: Path) -> None:
    given = np.random.default_rng(1).normal(size=ALL).astype(np.float32)
    nodes = [("Add", ["x", "c"], ["y"])]
    path = write(tmp_path / "m.onnx", nodes, {"c": given})
    with pytest.raises(pl.ExchangeError, match=r"Add .* must have a constant that is"):
        pl.exchange.read(path)


def gather(path: Path, indices: np.ndarray) -> Path:
    nodes = [
        ("Reshape", ["x", "row"], ["r"]),
        ("Gather", ["r", "indices"], ["g"]),
        ("Relu", ["g"], ["y"]),
    ]
    constants = {"row": np.array([-1]), "indices": indices.reshape(ALL)}
    return write(path, nodes, constants)


def test_elements_gathered_from_where_they_are_are_left_there(tmp_path: Path) -> None:
    count = BATCH * int(np.prod(SHAPE))
    network = check(gather(tmp_path / "m.onnx", np.arange(count)))
    assert [type(node.layer).__name__ for node in network.nodes] == ["Input", "ReLU"]
    with pytest.raises(pl.ExchangeError, match=r"Reshape .*|Gather .*"):
        pl.exchange.read(gather(tmp_path / "other.onnx", np.arange(count)[::-1]))


def write_graph(path: Path, nodes: list, inputs: dict, constants: dict) -> Path:
    """Write a graph of inputs of some shapes, whose output is ``y``."""
    from onnx import TensorProto, helper, numpy_helper

    entries = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in inputs.items()
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, *names, **more) for kind, *names, more in nodes],
        "g",
        entries,
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, path)
    return path


def test_a_batch_of_one_is_joined_with_steps_and_not_with_features(
    tmp_path: Path,
) -> None:
    """(T, 1, C) as (T · 1, C) and back: the head of a captcha reader."""
    weight = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    nodes = [
        ("Transpose", ["x"], ["t"], {"perm": [1, 0, 2]}),
        ("Reshape", ["t", "rows"], ["r"], {}),
        ("MatMul", ["r", "w"], ["m"], {}),
        ("Reshape", ["m", "back"], ["y"], {}),
    ]
    constants = {"rows": [4, 5], "w": weight, "back": [4, 1, 6]}
    path = write_graph(tmp_path / "m.onnx", nodes, {"x": (1, 4, 5)}, constants)
    model = pl.exchange.read(path, engine="numpy")
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    assert pl.exchange.verify_export(model, path, x).difference < 1e-5


def test_a_state_of_one_example_has_its_layers_in_front(tmp_path: Path) -> None:
    nodes = [
        ("Slice", ["h", "zero", "one", "zero"], ["first"], {}),
        ("Squeeze", ["first", "zero"], ["s"], {}),
        ("Add", ["x", "s"], ["y"], {}),
    ]
    inputs, constants = {"x": (1, 4), "h": (3, 1, 4)}, {"zero": [0], "one": [1]}
    path = write_graph(tmp_path / "m.onnx", nodes, inputs, constants)
    network = pl.exchange.read(path, engine="numpy").network
    assert [network.shapes[name] for name in network.inputs] == [(4,), (3, 4)]


def test_one_number_of_each_example_may_have_no_axis(tmp_path: Path) -> None:
    nodes = [
        ("ReduceMax", ["x"], ["m"], {"axes": [2], "keepdims": 0}),
        ("Squeeze", ["m", "one"], ["y"], {}),
    ]
    path = write_graph(tmp_path / "m.onnx", nodes, {"x": ("N", 1, 4)}, {"one": [1]})
    model = pl.exchange.read(path, engine="numpy")
    assert model.predict(np.ones((3, 1, 4), np.float32)).shape == (3, 1)


def test_a_constant_repeated_for_each_example_is_one(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(1, 2, 4)).astype(np.float32)
    nodes = [
        ("Shape", ["x"], ["shape"], {}),
        ("Slice", ["shape", "zero", "one"], ["n"], {}),
        ("Concat", ["n", "ones"], ["repeats"], {"axis": 0}),
        ("Tile", ["table", "repeats"], ["t"], {}),
        ("MatMul", ["t", "x"], ["y"], {}),
    ]
    constants = {"zero": [0], "one": [1], "ones": [1, 1], "table": table}
    path = write_graph(tmp_path / "m.onnx", nodes, {"x": ("N", 4, 3)}, constants)
    model = pl.exchange.read(path, engine="numpy")
    x = np.random.default_rng(0).normal(size=(3, 4, 3)).astype(np.float32)
    assert pl.exchange.verify_export(model, path, x).difference < 1e-5
