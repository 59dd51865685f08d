"""ONNX's backend API on our engines."""

from __future__ import annotations

import unittest

import numpy as np
import pytest

import pellucid as pl

onnx = pytest.importorskip("onnx", reason="onnx is not installed")

from onnx import TensorProto, helper  # noqa: E402

from pellucid.exchange.onnx import backend  # noqa: E402


def model_of(nodes, inputs, outputs=("y",), kind=TensorProto.FLOAT):
    shape = [None] * len(next(iter(inputs.values())))
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kind, shape) for n in outputs],
    )
    opset = helper.make_opsetid("", 20)
    return helper.make_model(graph, opset_imports=[opset])


@pytest.fixture
def draw():
    random = np.random.default_rng(0)
    return lambda *shape: random.normal(size=shape).astype(np.float32)


def test_a_node_runs_and_gives_outputs_by_place_and_name(draw):
    x = draw(2, 3)
    made = backend.run_node(helper.make_node("Softmax", ["x"], ["share"]), [x])
    expected = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    np.testing.assert_allclose(made[0], expected, rtol=1e-6)
    assert made["share"] is made[0]


def test_inputs_that_are_weights_are_bound_anew_at_each_run(draw):
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"])
    prepared = backend.prepare(model_of([node], {"x": (4, 3), "w": (3, 2), "b": (2,)}))
    for _ in range(2):
        x, w, b = draw(4, 3), draw(3, 2), draw(2)
        (y,) = prepared.run([x, w, b])
        np.testing.assert_allclose(y, x @ w + b, rtol=1e-5, atol=1e-6)
    (again,) = prepared.run({"b": b, "w": w, "x": x})
    np.testing.assert_array_equal(again, y)


def test_several_inputs_and_outputs_stay_in_the_models_order(draw):
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["far"]),
        helper.make_node("Sub", ["image", "other"], ["near"]),
    ]
    inputs = {"other": (2, 3, 5, 4), "image": (2, 3, 5, 4)}
    model = model_of(nodes, inputs, ("near", "far"))
    w = draw(1, 3, 1, 1)
    model.graph.initializer.append(onnx.numpy_helper.from_array(w, "w"))
    other, image = draw(2, 3, 5, 4), draw(2, 3, 5, 4)
    near, far = backend.run_model(model, [other, image], engine="compiled")
    np.testing.assert_allclose(near, image - other, rtol=1e-6)
    expected = np.einsum("nchw,c->nhw", image, w.ravel())[:, None]
    np.testing.assert_allclose(far, expected, rtol=1e-5, atol=1e-6)


def test_a_sequence_has_its_channels_first(draw):
    x, w = draw(2, 3, 8), draw(4, 3, 2)
    (y,) = backend.run_node(helper.make_node("Conv", ["x", "w"], ["y"]), [x, w])
    windows = np.lib.stride_tricks.sliding_window_view(x, 2, axis=2)
    expected = np.einsum("nclk,ock->nol", windows, w)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


def test_what_is_no_network_is_refused_and_skipped_by_the_test_runner():
    model = model_of([helper.make_node("Det", ["x"], ["y"])], {"x": (2, 3, 3)})
    with pytest.raises(pl.ExchangeError, match=r"Det 'y'.* must be an op") as got:
        backend.prepare(model)
    assert isinstance(got.value, unittest.SkipTest)
    assert not backend.is_compatible(model)
    node = helper.make_node("Relu", ["x"], ["y"])
    whole = model_of([node], {"x": (2, 3)}, kind=TensorProto.INT8)
    with pytest.raises(pl.ExchangeError, match="of floats; got 'y' of INT8"):
        backend.prepare(whole)


def test_devices_and_numbers_of_inputs_are_checked(draw):
    assert backend.supports_device("CPU")
    assert backend.supports_device("CPU:0")
    assert not backend.supports_device("CUDA")
    assert not backend.supports_device("abacus")
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": (2, 3)})
    with pytest.raises(pl.ExchangeError, match="device must be CPU; got 'CUDA:1'"):
        backend.prepare(model, "CUDA:1")
    with pytest.raises(pl.ExchangeError, match="model must be valid; got No Op"):
        backend.prepare(model_of([helper.make_node("Rely", ["x"], ["y"])], {"x": (2,)}))
    with pytest.raises(pl.ExchangeError, match="inputs must be x; got 2"):
        backend.run_model(model, [draw(2, 3), draw(2, 3)])
