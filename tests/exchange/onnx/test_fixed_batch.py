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
