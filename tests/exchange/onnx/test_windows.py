"""Resize and ConvTranspose: every mode gives onnxruntime's numbers, or is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pellucid as pl
from pellucid.exchange.onnx.read import Graph
from pellucid.model import from_file
from pellucid.network.layers import resize

onnxruntime = pytest.importorskip("onnxruntime")
COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "asymmetric",
    "align_corners",
    "tf_crop_and_resize",
)
NEAREST = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
SIZES = ((1, 1), (2, 5), (4, 3))
FACTORS = ((1, 2), (2, 2), (3, 1), (5, 4))


def one_operator(node, shape, arrays, opset=18):
    graph = helper.make_graph(
        [node],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def in_onnxruntime(model, x):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, {"x": x})[0]
    except Exception:  # noqa: BLE001 - a refusal is an answer
        return None


def ours(model, x):
    """Return what comes in, in ONNX's layout; None where it is refused."""
    try:
        graph = Graph(model, None, {})
        ready = from_file(graph.file("graph"), engine="numpy")
    except pl.ExchangeError:
        return None
    (entry,), (output,) = graph.entries.values(), graph.outputs.values()
    return output.to_foreign(ready.predict(entry.from_foreign(x)))


def resized(mode, nearest, where, size, factor, by):
    shape = (1, 2, *size)
    inputs, array = ["x", "", "how"], np.array([1, 1, *factor], np.float32)
    if by == "sizes":
        whole = [1, 2, size[0] * factor[0], size[1] * factor[1]]
        inputs, array = ["x", "", "", "how"], np.array(whole, np.int64)
    node = helper.make_node(
        "Resize",
        inputs,
        ["y"],
        mode=mode,
        nearest_mode=nearest,
        coordinate_transformation_mode=where,
    )
    return one_operator(node, shape, {"how": array}), shape


def check(model, shape):
    """Return whether it came in; fail where it came in with other numbers."""
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    got = ours(model, x)
    if got is None:
        return False
    expected = in_onnxruntime(model, x)
    if expected is not None:
        assert got.shape == expected.shape
        assert np.allclose(got, expected, atol=1e-5)
    return True


@pytest.mark.parametrize("where", COORDINATES)
@pytest.mark.parametrize("nearest", NEAREST)
def test_a_nearest_resize_repeats_pixels_or_is_refused(nearest, where):
    for size, factor, by in itertools.product(SIZES, FACTORS, ("scales", "sizes")):
        model, shape = resized("nearest", nearest, where, size, factor, by)
        check(model, shape)
        x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        got = ours(model, x)
        if got is not None:
            assert np.allclose(got, ReferenceEvaluator(model).run(None, {"x": x})[0])


@pytest.mark.parametrize("factor", [2, 3, 4, 5])
@pytest.mark.parametrize("where", COORDINATES[:3])
def test_floor_between_the_centres_of_pixels_is_a_resize(where, factor):
    model, shape = resized(
        "nearest", "floor", where, (4, 4), (factor, factor), "scales"
    )
    assert check(model, shape)
    network = Graph(model, None, {}).file("graph").network
    assert isinstance(network.nodes[-1].layer, pl.Resize)


RULES = resize.COORDINATES


@pytest.mark.parametrize("where", COORDINATES)
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_an_interpolating_resize_comes_in_exactly_or_not_at_all(mode, where):
    came = [
        check(*resized(mode, "floor", where, size, factor, by))
        for size, factor, by in itertools.product(SIZES, FACTORS, ("scales", "sizes"))
    ]
    assert all(came) == (where in RULES)


@pytest.mark.parametrize("opset", [9, 10])
def test_the_resize_of_old_opsets_repeats(opset):
    kind = "Upsample" if opset == 9 else "Resize"
    for factor in FACTORS:
        node = helper.make_node(kind, ["x", "how"], ["y"], mode="nearest")
        scales = {"how": np.array([1, 1, *factor], np.float32)}
        assert check(one_operator(node, (1, 2, 3, 4), scales, opset), (1, 2, 3, 4))


@pytest.mark.parametrize(
    "auto_pad", [None, "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]
)
def test_a_transposed_convolution_crops_the_side_that_onnxruntime_crops(auto_pad):
    weight = np.random.default_rng(0).normal(size=(2, 3, 1, 1)).astype(np.float32)
    came, sizes = 0, ((3, 2, 1), (4, 2, 1), (3, 3, 1), (2, 2, 1), (3, 1, 1), (3, 2, 2))
    for (k, s, d), extra in itertools.product(sizes, (None, 0, 1)):
        for wanted in (None, -1, 0, 1, 2):
            how = {"strides": [s, s], "dilations": [d, d]}
            how |= {} if auto_pad is None else {"auto_pad": auto_pad}
            how |= {} if extra is None else {"output_padding": [extra, extra]}
            if wanted is not None:
                how["output_shape"] = [4 * s + wanted, 5 * s + wanted]
            node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], **how)
            kernel = np.random.default_rng(k).normal(size=(1, 1, k, k)) * weight
            arrays = {"w": kernel.astype(np.float32)}
            came += check(one_operator(node, (1, 2, 4, 5), arrays, 17), (1, 2, 4, 5))
    assert came >= 40
