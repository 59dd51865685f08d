"""Graph-models of TensorFlow.js: frozen graphs of TensorFlow as JSON."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import verify_export

RANDOM = np.random.default_rng(0)


def floats(*shape):
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def text(word):
    return base64.b64encode(word.encode()).decode()


def node(name, op, *inputs, **attributes):
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


def window(*, stride=1, padding="SAME", **more):
    ones = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
    plain = {"dilations": {"list": {"i": ["1", "1", "1", "1"]}}}
    plain["dataFormat"] = {"s": text("NHWC")}
    return {"strides": ones, "padding": {"s": text(padding)}, **plain, **more}


def fused(*parts):
    names = {"list": {"s": [text(part) for part in parts]}}
    return {"fused_ops": names, "num_args": {"i": "1"}}


def entry(*sizes):
    dims = [{"size": str(size)} for size in (-1, *sizes)]
    return node("x", "Placeholder", shape={"shape": {"dim": dims}})


def write(folder, nodes, arrays, **more):
    """Write a graph-model: nodes in any order, weights behind each other."""
    nodes = [*nodes, *(node(name, "Const") for name in arrays)]
    specs = [
        {"name": name, "shape": list(array.shape), "dtype": array.dtype.name}
        for name, array in arrays.items()
    ]
    document = {
        "format": "graph-model",
        "modelTopology": {"node": nodes, "versions": {"producer": 440}},
        "weightsManifest": [{"paths": ["weights.bin"], "weights": specs}],
        **more,
    }
    (folder / "model.json").write_text(json.dumps(document))
    content = b"".join(array.tobytes() for array in arrays.values())
    (folder / "weights.bin").write_bytes(content)
    return folder


def example(folder):
    """A graph of fused and plain operators, and the same network in our layers."""
    arrays = {
        "w": floats(3, 3, 3, 4),
        "b": floats(4),
        "d": floats(3, 3, 4, 1),
        "scale": floats(4),
        "offset": floats(4),
        "mean": floats(4),
        "variance": floats(4) + 2,
        "axes": np.array([1, 2], np.int32),
        "m": floats(4, 5),
        "n": floats(5),
    }
    nodes = [
        node("y", "Identity", "soft"),
        node("soft", "Softmax", "dense"),
        node("dense", "_FusedMatMul", "average", "m", "n", **fused("BiasAdd")),
        node("average", "Mean", "norm", "axes", keep_dims={"b": False}),
        node(
            "norm",
            "FusedBatchNormV3",
            *("pool", "scale", "offset", "mean", "variance"),
            epsilon={"f": 0.01},
            is_training={"b": False},
        ),
        node("pool", "MaxPool", "sum", ksize={"list": {"i": [1, 2, 2, 1]}},
             **window(stride=2, padding="VALID")),
        node("sum", "AddV2", "conv", "depth:0"),
        node("depth", "DepthwiseConv2dNative", "conv", "d", **window()),
        node("conv", "_FusedConv2D", "x", "w", "b", **window(stride=2),
             **fused("BiasAdd", "Relu")),
        entry(8, 8, 3),
    ]  # fmt: skip
    write(folder, nodes, arrays)
    image = pl.Input(8, 8, 3)
    conv = pl.ReLU()(
        pl.Conv2D(4, kernel_size=3, stride=2, padding="same", name="conv")(image)
    )
    depth = pl.Conv2D(
        4, kernel_size=3, padding="same", groups=4, bias=False, name="depth"
    )(conv)
    pool = pl.MaxPool2D(2)(pl.Add()(conv, depth))
    norm = pl.BatchNorm(epsilon=0.01, name="norm")(pool)
    dense = pl.Dense(5, name="dense")(pl.GlobalAvgPool2D()(norm))
    model = pl.Model(
        pl.Network(inputs=image, outputs=pl.Softmax()(dense)), engine="numpy"
    )
    model.load_weights(
        {
            "conv.weight": arrays["w"],
            "conv.bias": arrays["b"],
            "depth.weight": arrays["d"].transpose(0, 1, 3, 2),
            "norm.scale": arrays["scale"],
            "norm.offset": arrays["offset"],
            "norm.running_mean": arrays["mean"],
            "norm.running_variance": arrays["variance"],
            "dense.weight": arrays["m"],
            "dense.bias": arrays["n"],
        }
    )
    return model


IMAGES = floats(3, 8, 8, 3)


def test_a_graph_comes_in(agree, tmp_path):
    right = example(tmp_path)
    model = exchange.read(tmp_path, engine="numpy")
    agree(model.predict(IMAGES), right.predict(IMAGES))


def test_any_name_of_the_json_will_do(agree, tmp_path):
    right = example(tmp_path)
    (tmp_path / "model.json").rename(tmp_path / "emotion.json")
    model = exchange.read(tmp_path / "emotion.json", engine="numpy")
    agree(model.predict(IMAGES), right.predict(IMAGES))


def test_tensorflow_js_gives_the_same(tfjs_package, tmp_path):
    example(tmp_path)
    model = exchange.read(tmp_path, engine="numpy")
    report = verify_export(model, tmp_path, IMAGES, format="tfjs")
    assert report.relative <= 1e-5


def test_a_graph_that_tensorflow_freezes_comes_in(agree, tmp_path):
    tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    from google.protobuf.json_format import MessageToDict
    from tensorflow.python.framework import convert_to_constants

    kernel, other = tf.constant(floats(3, 3, 3, 4)), tf.constant(floats(64, 5))

    def call(x):
        y = tf.nn.leaky_relu(
            tf.nn.conv2d(x, kernel, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])
        )
        y = tf.nn.avg_pool2d(tf.nn.tanh(y), 1, 1, "SAME")
        return tf.nn.sigmoid(tf.reshape(y, (-1, 64)) @ other)

    spec = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="x")
    function = tf.function(call, input_signature=[spec]).get_concrete_function()
    frozen = convert_to_constants.convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    arrays = {
        n.name: tf.make_ndarray(n.attr["value"].tensor)
        for n in graph.node
        if n.op == "Const"
    }
    nodes = [n for n in MessageToDict(graph)["node"] if n["op"] != "Const"]
    write(tmp_path, nodes, {k: np.asarray(v) for k, v in arrays.items()})
    model = exchange.read(tmp_path, engine="numpy")
    agree(model.predict(IMAGES), call(tf.constant(IMAGES)).numpy())


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([entry(8, 8, 3), node("y", "Cumsum", "x")], "Cumsum 'y' must be an operator"),
        ([entry(8, 8, 3), node("y", "Relu", "z")], "read nodes that exist; got 'z'"),
        (
            [node("y", "Relu", "z"), node("z", "Relu", "y")],
            "be in a graph without loops",
        ),
        ([node("y", "Const")], "must have an input; got none"),
        ([entry(8, 8, 3), node("y", "Relu", "x:1")], "an output that its node has"),
        ([entry(-1, 8, 3), node("y", "Relu", "x")], "must be named"),
    ],
)
def test_what_cannot_be_represented_is_refused(nodes, message, tmp_path):
    write(tmp_path, nodes, {})
    with pytest.raises(pl.ExchangeError, match=message):
        exchange.read(tmp_path, engine="numpy")


def test_free_sizes_are_named(tmp_path):
    write(tmp_path, [entry(-1, -1, 3), node("y", "Relu", "x")], {})
    model = exchange.read(tmp_path, engine="numpy", input_shape=(4, 6))
    assert model.network.input_shape == (4, 6, 3)


SIGNATURE = {"outputs": {"b": {"name": "z:0"}, "a": {"name": "y:0"}}}


@pytest.mark.parametrize(
    ("more", "kinds"), [({}, "yz"), ({"signature": SIGNATURE}, "zy")]
)
def test_several_outputs_come_in_the_files_order(more, kinds, tmp_path):
    nodes = [entry(4, 4, 3), node("y", "Relu", "x"), node("z", "Sigmoid", "x")]
    write(tmp_path, nodes, {}, **more)
    model = exchange.read(tmp_path, engine="numpy")
    x = floats(2, 4, 4, 3)
    right = {"y": np.maximum(x, 0), "z": 1 / (1 + np.exp(-x))}
    for got, kind in zip(model.predict(x), kinds, strict=True):
        np.testing.assert_allclose(got, right[kind], rtol=1e-5)


def test_tensorflow_js_gives_several_outputs_alike(tfjs_package, tmp_path):
    nodes = [entry(4, 4, 3), node("y", "Relu", "x"), node("z", "Sigmoid", "x")]
    write(tmp_path, nodes, {}, signature=SIGNATURE)
    model = exchange.read(tmp_path, engine="numpy")
    images = floats(2, 4, 4, 3)
    report = verify_export(model, tmp_path, images, format="tfjs")
    assert report.relative <= 1e-5


def test_a_graph_of_one_image_takes_any_number(tmp_path):
    arrays = {"shape": np.array([1, 16, 3], np.int32)}
    write(tmp_path, [entry(4, 4, 3), node("y", "Reshape", "x", "shape")], arrays)
    model = exchange.read(tmp_path, engine="numpy")
    x = floats(2, 4, 4, 3)
    np.testing.assert_array_equal(model.predict(x), x.reshape(2, 16, 3))


def test_several_inputs_and_a_file_that_does_not_say_its_kind(agree, tmp_path):
    def placeholder(name, *sizes):
        return {**entry(*sizes), "name": name}

    nodes = [placeholder("style", 1, 1, 3), placeholder("content", -1, 4, 3)]
    nodes += [node("first", "Relu", "content"), node("y", "AddV2", "first", "style")]
    write(tmp_path, nodes, {}, signature={"outputs": {"y": {"name": "y:0"}}})
    document = json.loads((tmp_path / "model.json").read_text())
    del document["format"]
    (tmp_path / "model.json").write_text(json.dumps(document))
    model = exchange.read(tmp_path, engine="numpy", input_shape=((1, 1, 3), (5, 4, 3)))
    assert model.network.inputs == ("style", "content")
    style, content = floats(2, 1, 1, 3), floats(2, 5, 4, 3)
    expected = np.maximum(content, 0) + style
    agree(model.predict((style, content)), expected)
    with pytest.raises(pl.ExchangeError, match="input 'content' must be named"):
        exchange.read(tmp_path, engine="numpy")


def softplus(x):
    return np.logaddexp(x, 0)


#: nodes that end in y, their constants, and what NumPy makes of x, (N, 4, 4, 4)
OPERATORS = {
    "Split": (
        [
            node("s", "Split", "axis", "x", num_split={"i": "2"}),
            node("y", "Sub", "s:1", "s"),
        ],
        {"axis": np.array(3, np.int32)},
        lambda x: x[..., 2:] - x[..., :2],
    ),
    "SplitV": (
        [
            node("s", "SplitV", "x", "sizes", "axis", num_split={"i": "2"}),
            node("y", "Identity", "s:1"),
        ],
        {"sizes": np.array([1, 3], np.int32), "axis": np.array(3, np.int32)},
        lambda x: x[..., 1:],
    ),
    "Unpack": (
        [
            node("u", "Unpack", "x", axis={"i": "1"}, num={"i": "4"}),
            node("y", "Sub", "u:3", "u:1"),
        ],
        {},
        lambda x: x[:, 3] - x[:, 1],
    ),
    "GatherV2": (
        [node("y", "GatherV2", "x", "order", "axis")],
        {"order": np.array([2, 0], np.int32), "axis": np.array(3, np.int32)},
        lambda x: x[..., [2, 0]],
    ),
    "ClipByValue": (
        [node("y", "ClipByValue", "x", "low", "high")],
        {"low": np.float32([-0.5]), "high": np.float32([0.25])},
        lambda x: np.clip(x, -0.5, 0.25),
    ),
    "Softplus": ([node("y", "Softplus", "x")], {}, softplus),
    "Reciprocal": (
        [node("e", "Exp", "x"), node("y", "Reciprocal", "e")],
        {},
        lambda x: np.exp(-x),
    ),
    "SelectV2": (
        [
            node("above", "Greater", "x", "low"),
            node("twice", "Mul", "x", "two"),
            node("y", "SelectV2", "above", "twice", "x"),
        ],
        {"low": np.float32([-0.5]), "two": np.float32([2])},
        lambda x: np.where(x > -0.5, 2 * x, x),
    ),
    "MirrorPad": (
        [node("y", "MirrorPad", "x", "sides", mode={"s": text("REFLECT")})],
        {"sides": np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)},
        lambda x: np.pad(x, ((0, 0), (1, 0), (0, 2), (0, 0)), "reflect"),
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_numpy_s_numbers(name, agree, tmp_path):
    nodes, arrays, compute = OPERATORS[name]
    write(tmp_path, [entry(4, 4, 4), *nodes], arrays)
    x = floats(2, 4, 4, 4)
    agree(exchange.read(tmp_path, engine="numpy").predict(x), compute(x))


def test_a_transposed_convolution_comes_in(agree, tmp_path):
    arrays = {"sizes": np.array([-1, 8, 8, 2], np.int32), "w": floats(3, 3, 2, 4)}
    last = node("y", "Conv2DBackpropInput", "sizes", "w", "x", **window(stride=2))
    write(tmp_path, [entry(4, 4, 4), last], arrays)
    model = exchange.read(tmp_path, engine="numpy")
    assert model.network.output_shape == (8, 8, 2)
    x, expected = floats(2, 4, 4, 4), np.zeros((2, 9, 9, 2), np.float32)
    for i, j in np.ndindex(4, 4):  # SAME of stride 2 and kernel 3 crops the last ones
        patch = np.einsum("nc,hwoc->nhwo", x[:, i, j], arrays["w"])
        expected[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += patch
    agree(model.predict(x), expected[:, :8, :8])
