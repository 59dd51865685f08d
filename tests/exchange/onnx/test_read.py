"""ONNX in: our own files back, other people's, and what is refused."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main
from pellucid.exchange.onnx.read import Graph
from pellucid.model import from_file


def model_of_nodes(
    nodes, inputs, outputs, *, arrays=(), opset=17, kind=TensorProto.FLOAT
):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, kind, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, kind, None) for n in outputs],
        [numpy_helper.from_array(a, n) for n, a in dict(arrays).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def saved(model, tmp_path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_zoo_networks_come_back_as_they_were(zoo_model, images_of, agree, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.onnx")
    back = exchange.read(path, engine="numpy")
    images = images_of(zoo_model)
    agree(back.predict(images), zoo_model.predict(images))
    kinds = [type(node.layer) for node in zoo_model.network.nodes]
    assert [type(node.layer) for node in back.network.nodes] == kinds
    assert back.network.name == zoo_model.network.name


def test_every_layer_comes_back_as_it_was(
    case_name, case_model, images_of, agree, tmp_path
):
    path = exchange.write(case_model, tmp_path / "model.onnx")
    back = exchange.read(path, engine="numpy")
    images = images_of(case_model)
    expected = case_model.predict(images)
    if case_name == "permute":  # it ends as the file has its axes
        expected = expected.transpose(0, 3, 1, 2)
    agree(back.predict(images), expected)


def test_preprocessing_and_classes_come_back(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.onnx")
    back = exchange.read(path, engine="numpy")
    assert back.classes == ("a", "b", "c")
    assert back.preprocessing == small_model.preprocessing


def test_a_model_that_came_in_trains(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.onnx")
    file = exchange.read(path, engine="numpy").file()
    model = pl.Model(
        file.network, engine="numpy", loss="cross_entropy", optimizer="adam"
    )
    model.load_weights(file.weights)
    images = np.random.default_rng(0).random((8, 6, 6, 1))
    labels = np.arange(8) % 3
    losses = [model.train_step(images, labels) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_constants_bind_inputs_that_are_weights(tmp_path):
    node = helper.make_node("Gemm", ["x", "W", "b"], ["y"], transB=1)
    inputs = {"x": ["N", 3], "W": [2, 3], "b": [2]}
    path = saved(model_of_nodes([node], inputs, ["y"]), tmp_path)
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    bias = np.ones(2, np.float32)
    model = exchange.read(path, engine="numpy", constants={"W": weight, "b": bias})
    x = np.random.default_rng(0).random((4, 3), np.float32)
    np.testing.assert_allclose(model.predict(x), x @ weight.T + bias, rtol=1e-6)


def test_an_operator_that_no_layer_expresses_is_named_with_its_attributes(tmp_path):
    node = helper.make_node("LpPool", ["x"], ["y"], name="pool1", p=3)
    path = saved(model_of_nodes([node], {"x": ["N", 3, 8, 8]}, ["y"]), tmp_path)
    with pytest.raises(pl.ExchangeError, match=r"LpPool 'pool1' \(p=3\) must be"):
        exchange.read(path, engine="numpy")


_BRANCH = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "branch", [], [])


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (helper.make_node("Gelu", ["x"], ["y"], approximate="fast"), "approximate"),
        (
            helper.make_node("LRN", ["x"], ["y"], size=4),
            "LRN.*size=4.*size must be odd",
        ),
        (helper.make_node("LRN", ["x"], ["y"], size=3, bias=0.0), "bias must be above"),
        (helper.make_node("Pow", ["x", "x"], ["y"]), "raise a value to a number"),
        (helper.make_node("ReduceMax", ["x"], ["y"]), "keep the batch"),
        (
            helper.make_node(
                "If", ["x"], ["y"], then_branch=_BRANCH, else_branch=_BRANCH
            ),
            "a condition that the file decides",
        ),
        (
            helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2]),
            "Indices",
        ),
        (
            helper.make_node(
                "MaxPool", ["x"], ["y"], kernel_shape=[5, 5], dilations=[2, 2]
            ),
            "as large as the window",
        ),
        (
            helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2, 2]),
            "a batch of volumes",
        ),
        (helper.make_node("Conv", ["x", "x"], ["y"]), "constant as input 1"),
        (helper.make_node("Relu", ["z"], ["y"]), "must read values that exist"),
        (helper.make_node("Flatten", ["x"], ["y"], axis=2), "all but the batch"),
        (
            helper.make_node("Relu", ["x"], ["y"], domain="com.example"),
            "one of ONNX's own operators",
        ),
    ],
)
def test_what_cannot_be_exact_is_refused(node, said, tmp_path):
    opset = 20
    model = model_of_nodes([node], {"x": ["N", 3, 8, 8]}, ["y"], opset=opset)
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(saved(model, tmp_path), engine="numpy")


def test_an_output_whose_batch_is_not_in_front_has_it_in_front_here(tmp_path):
    node = helper.make_node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3])
    model = model_of_nodes([node], {"x": ["N", 3, 4, 2]}, ["y"])
    read = exchange.read(saved(model, tmp_path), engine="numpy")
    x = np.random.default_rng(0).random((2, 4, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(read.predict(x), x)  # channels last, as it begins


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("operator", ["GRU", "LSTM", "RNN"])
def test_recurrent_operators_begin_and_end_with_states(operator, direction, tmp_path):
    """With first states that are inputs, the last ones, and the memory of an LSTM."""
    random, two = np.random.default_rng(1), 1 + (direction == "bidirectional")
    gates = {"GRU": 3, "LSTM": 4, "RNN": 1}[operator]
    shapes = {"w": (two, gates * 3, 2), "r": (two, gates * 3, 3)}
    shapes["b"] = (two, 2 * gates * 3)
    arrays = {k: random.normal(0, 0.5, s).astype(np.float32) for k, s in shapes.items()}
    states = ["h", "c"][: 1 + (operator == "LSTM")]
    ends = ["y", "y_h", "y_c"][: 1 + len(states)]
    node = helper.make_node(
        operator,
        ["x", "w", "r", "b", "", *states],
        ends,
        hidden_size=3,
        direction=direction,
    )
    to_first = [
        helper.make_node("Transpose", [f"{name}_first"], [name], perm=[1, 0, 2])
        for name in states
    ]
    entries = {"x": [4, "N", 2], **{f"{name}_first": ["N", two, 3] for name in states}}
    model = model_of_nodes([*to_first, node], entries, ends, arrays=arrays, opset=20)
    read = exchange.read(saved(model, tmp_path), engine="numpy")  # which is probed
    assert len(read.network.outputs) == len(ends)


def test_two_inputs_come_in_and_inputs_of_two_types_are_refused(tmp_path):
    node = helper.make_node("Add", ["a", "b"], ["y"])
    model = model_of_nodes([node], {"a": ["N", 3], "b": ["N", 3]}, ["y"])
    onnx.save(model, tmp_path / "m.onnx")
    read = pl.exchange.read(tmp_path / "m.onnx", engine="numpy")
    assert read.network.inputs == ("a", "b")
    a, b = np.float32([[1, 2, 3]]), np.float32([[4, 5, 6]])
    np.testing.assert_array_equal(read.predict({"a": a, "b": b})["y"], a + b)
    model.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(pl.ExchangeError, match="of one type; got float32, float64"):
        pl.exchange.read(tmp_path / "m.onnx")


@pytest.mark.parametrize("opset", [0, 999])
def test_an_opset_out_of_range_is_refused(opset, tmp_path):
    node = helper.make_node("Relu", ["x"], ["y"])
    model = model_of_nodes([node], {"x": ["N", 3]}, ["y"], opset=opset)
    with pytest.raises(pl.ExchangeError, match=f"opset must be 1 … .*; got {opset}"):
        exchange.read(saved(model, tmp_path), engine="numpy")


def test_the_order_of_a_flattened_image_goes_through_layers_and_joins(tmp_path, agree):
    """(C, H, W) features through an addition, a join and a norm, into a dense layer."""
    random = np.random.default_rng(1)
    arrays = {
        "W": random.normal(size=(72, 4)).astype(np.float32),
        "s": random.normal(size=36).astype(np.float32),
        "o": random.normal(size=36).astype(np.float32),
    }
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("Mul", ["f", "s"], ["scaled"]),
        helper.make_node("Add", ["scaled", "o"], ["shifted"]),
        helper.make_node("Concat", ["shifted", "f"], ["j"], axis=1),
        helper.make_node("MatMul", ["j", "W"], ["y"]),
    ]
    model = model_of_nodes(nodes, {"x": ["N", 3, 4, 3]}, ["y"], arrays=arrays)
    graph = Graph(model, None, {})
    ready = from_file(graph.file("m"), engine="numpy")
    x = random.normal(size=(2, 3, 4, 3)).astype(np.float32)
    flat = x.reshape(2, -1)
    joined = np.concatenate([flat * arrays["s"] + arrays["o"], flat], axis=1)
    agree(ready.predict(x.transpose(0, 2, 3, 1)), joined @ arrays["W"])


def test_a_graph_in_double_runs_in_double(tmp_path):
    node = helper.make_node("MatMul", ["x", "W"], ["y"])
    weight = np.random.default_rng(0).normal(size=(3, 2))
    model = model_of_nodes(
        [node], {"x": ["N", 3]}, ["y"], arrays={"W": weight}, kind=TensorProto.DOUBLE
    )
    ready = exchange.read(saved(model, tmp_path), engine="numpy")
    assert ready.dtype == "float64"
    np.testing.assert_array_equal(ready.predict(np.eye(3)), weight)


def test_a_value_read_twice_keeps_its_bias_to_itself(tmp_path, agree):
    arrays = {"W": np.eye(3, dtype=np.float32), "b": np.ones(3, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["m"]),
        helper.make_node("Identity", ["m"], ["i"]),
        helper.make_node("Add", ["i", "b"], ["a"]),
        helper.make_node("Add", ["a", "m"], ["y"]),
    ]
    model = model_of_nodes(nodes, {"x": ["N", 3]}, ["y"], arrays=arrays)
    ready = exchange.read(saved(model, tmp_path), engine="numpy")
    x = np.random.default_rng(0).random((4, 3), np.float32)
    agree(ready.predict(x), 2 * x + 1)


def external(location: str, **info: str) -> onnx.ModelProto:
    node = helper.make_node("MatMul", ["x", "W"], ["y"])
    weight = np.ones((3, 2), np.float32)
    model = model_of_nodes([node], {"x": ["N", 3]}, ["y"], arrays={"W": weight})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **info}.items():
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return model


def test_tensors_in_a_file_beside_the_model_are_read(tmp_path):
    numbers = np.arange(6, dtype=np.float32).reshape(3, 2)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 8 + numbers.tobytes())
    path = saved(external("weights.bin", offset="8", length="24"), tmp_path)
    model = exchange.read(path, engine="numpy")
    np.testing.assert_array_equal(model.predict(np.eye(3)), numbers)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "link.bin", ""])
def test_tensors_outside_the_folder_are_refused(location, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(24))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = saved(external(location), folder)
    with pytest.raises(pl.ExchangeError, match="must lie in a file beside the model"):
        exchange.read(path, engine="numpy")


def test_external_data_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "weights.bin").write_bytes(bytes(23))
    with pytest.raises(pl.ExchangeError, match=r"must be whole in 'weights\.bin'"):
        exchange.read(saved(external("weights.bin"), tmp_path), engine="numpy")


def test_a_shape_that_would_fill_the_memory_is_refused(tmp_path):
    sizes = np.asarray([2**20, 2**20], np.int64)
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["W"]),
        helper.make_node("MatMul", ["x", "W"], ["y"]),
    ]
    model = model_of_nodes(nodes, {"x": ["N", 2**20]}, ["y"], arrays={"s": sizes})
    with pytest.raises(pl.ExchangeError, match="must make at most"):
        exchange.read(saved(model, tmp_path), engine="numpy")


def test_a_norm_over_more_channels_than_there_are_takes_no_memory(agree, tmp_path):
    node = helper.make_node("LRN", ["x"], ["y"], size=2**31 - 1, alpha=2.0**31)
    path = saved(model_of_nodes([node], {"x": ["N", 3, 2, 2]}, ["y"]), tmp_path)
    x = np.random.default_rng(0).normal(size=(2, 2, 2, 3)).astype(np.float32)
    back = exchange.read(path, engine="numpy")
    expected = x / (1 + np.square(x).sum(-1, keepdims=True)) ** 0.75
    agree(back.predict(x), expected)
    if importlib.util.find_spec("torch"):
        agree(back.to("torch").predict(x), expected)


def steps(*nodes):
    """Return operators, each given as (operator, inputs, output)."""
    return [helper.make_node(kind, list(read), [made]) for kind, read, made in nodes]


MOMENTS = steps(
    ("ReduceMean", ["x", "one"], "mean"),
    ("Sub", ["x", "mean"], "centred"),
    ("Mul", ["centred", "centred"], "square"),
    ("ReduceMean", ["square", "one"], "variance"),
    ("Add", ["variance", "epsilon"], "stable"),
    ("Sqrt", ["stable"], "root"),
)
CONSTANTS = {
    "one": np.asarray([1]),
    "epsilon": np.asarray(0.1, np.float32),
    "starts": np.asarray([1]),
    "ends": np.asarray([3]),
    "axes": np.asarray([2]),
    "rows": np.asarray([-1, 3]),
}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([*MOMENTS, *steps(("Div", "xr", "y"))], "must read values that exist"),
        (steps(("Reshape", ["x", "rows"], "y")), "the batch as one of its axes"),
    ],
)
def test_what_moves_the_batch_is_refused(nodes, said, tmp_path):
    model = model_of_nodes(
        nodes, {"x": ["N", 3, 4, 4]}, ["y"], arrays=CONSTANTS, opset=18
    )
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(saved(model, tmp_path), engine="numpy")


@pytest.mark.parametrize(
    "nodes",
    [
        steps(("Div", ["x", "root"], "y")),
        steps(("Mul", ["root", "x"], "y")),
        steps(("Relu", ["root"], "y")),
        steps(("Add", ["x", "mean"], "y")),
        steps(("Relu", "x", "z"), ("Div", ["z", "root"], "y")),
        steps(("Div", ["centred", "variance"], "y")),
    ],
)
def test_half_a_layer_comes_in_by_its_parts(nodes, agree, tmp_path):
    model = model_of_nodes(
        [*MOMENTS, *nodes], {"x": ["N", 3, 4, 4]}, ["y"], arrays=CONSTANTS, opset=18
    )
    back = exchange.read(saved(model, tmp_path), engine="numpy")
    assert "LayerNorm" not in {type(n.layer).__name__ for n in back.network.nodes}
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    got = back.predict(x.transpose(0, 2, 3, 1))
    agree(got, expected.transpose(0, 2, 3, 1))


def test_a_layer_norm_by_its_moments_is_one_layer(agree, tmp_path):
    nodes = [*MOMENTS, *steps(("Div", ["centred", "root"], "y"))]
    model = model_of_nodes(
        nodes, {"x": ["N", 3, 4, 4]}, ["y"], arrays=CONSTANTS, opset=18
    )
    back = exchange.read(saved(model, tmp_path), engine="numpy")
    assert [type(node.layer).__name__ for node in back.network.nodes][1:] == [
        "LayerNorm"
    ]
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    centred = x - x.mean(-1, keepdims=True)
    variance = np.square(centred).mean(-1, keepdims=True)
    agree(back.predict(x), centred / np.sqrt(variance + 0.1))


FIRST_IMAGE = ["N", 6, 4, 5]
#: what ends in an image of the input's shape, of which the shape tells no order
KEPT = ("padded channels", "channels backwards", "softmax over rows")
MOVES = {
    "a head's reshape": (
        [
            ("Reshape", ["x", "[0, 3, 2, 4, 5]"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 1, 3, 4, 2]}),
            ("Reshape", ["b", "[0, -1, 2]"], "y"),
        ],
    ),
    "a shuffle of channels": (
        [
            ("Reshape", ["x", "[0, 2, 3, 4, 5]"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 2, 1, 3, 4]}),
            ("Reshape", ["b", "[0, 6, 4, 5]"], "c"),
            ("MaxPool", ["c"], "y", {"kernel_shape": [2, 2]}),
        ],
    ),
    "rows of pixels": (
        [
            ("Reshape", ["x", "[0, 6, 20]"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 2, 1]}),
            ("Softmax", ["b"], "y", {"axis": -1}),
        ],
    ),
    "softmax over rows": ([("Softmax", ["x"], "y", {"axis": 2})],),
    "boxes of two scales": (
        [
            ("MaxPool", ["x"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
            ("Reshape", ["x", "[0, 2, 3, 20]"], "a"),
            ("Reshape", ["p", "[0, 2, 3, 4]"], "b"),
            ("Concat", ["a", "b"], "c", {"axis": 3}),
            ("Transpose", ["c"], "y", {"perm": [0, 3, 1, 2]}),
        ],
    ),
    "an image flattened, sliced and joined": (
        [
            ("Flatten", ["x"], "f"),
            ("Slice", ["f", "[7]", "[110]", "[1]", "[3]"], "a"),
            ("Relu", ["a"], "r"),
            ("Concat", ["a", "r"], "y", {"axis": 1}),
        ],
    ),
    "channels backwards": (
        [("Slice", ["x", "[-1, 1]", "[-9, 4]", "[1, 3]", "[-1, 2]"], "y")],
    ),
    "columns joined with rows of another layout": (
        [
            ("Transpose", ["x"], "t", {"perm": [0, 1, 3, 2]}),
            ("Slice", ["t", "[0]", "[4]", "[2]"], "u"),
            ("Slice", ["x", "[0]", "[4]", "[3]"], "v"),
            ("Add", ["u", "v"], "w"),
            ("Concat", ["w", "x"], "y", {"axis": 3}),
        ],
    ),
    "an image joined along an axis of its own": (
        [
            ("Unsqueeze", ["x", "[1]"], "a"),
            ("Concat", ["a", "a"], "b", {"axis": 1}),
            ("Reshape", ["b", "[0, -1, 5]"], "y"),
        ],
    ),
    "space to depth by hand": (
        [
            ("Reshape", ["x", "[0, 6, 2, 2, 5]"], "a"),
            ("Transpose", ["a"], "b", {"perm": [0, 1, 3, 2, 4]}),
            ("Reshape", ["b", "[0, 12, 2, 5]"], "c"),
            ("AveragePool", ["c"], "y", {"kernel_shape": [2, 1]}),
        ],
    ),
    "padded channels": ([("Pad", ["x", "[0, 1, 0, 0, 0, 2, 1, 3]"], "y")],),
    "shuffled pixels": (
        [
            ("SpaceToDepth", ["p"], "s", {"blocksize": 2}),
            ("DepthToSpace", ["s"], "y", {"blocksize": 2, "mode": "CRD"}),
        ],
    ),
}


@pytest.mark.parametrize("name", MOVES)
def test_what_moves_elements_of_a_file_channels_first_is_exact(name, tmp_path):
    """Against onnx.reference; axes and shapes mean N, C, H, W there."""
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    nodes, constants = [], []
    (rows,) = MOVES[name]
    if name == "shuffled pixels":
        rows = [("Slice", ["x", "[0]", "[4]", "[3]"], "p"), *rows]
    for row in rows:
        operator, inputs, output, *how = row
        given = []
        for text in inputs:
            if text.startswith("["):
                label = f"c{len(constants)}"
                array = np.asarray(json.loads(text), np.int64)
                constants.append(numpy_helper.from_array(array, label))
                text = label
            given.append(text)
        nodes.append(helper.make_node(operator, given, [output], **(how or [{}])[0]))
    graph = helper.make_graph(
        nodes,
        "moves",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, FIRST_IMAGE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8
    )
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    x = np.random.default_rng(0).normal(size=(3, 6, 4, 5)).astype(np.float32)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    back = exchange.read(path, engine="numpy")
    y = back.predict(np.ascontiguousarray(x.transpose(0, 2, 3, 1)))
    if y.shape != wanted.shape or name in KEPT:
        y = y.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-6)


def test_states_have_their_batch_where_the_file_calls_it_so(tmp_path):
    """(2, batch, 3) beside (batch, 3), joined and reduced to a number an example."""
    nodes = [
        helper.make_node("Tanh", ["h"], ["bent"]),
        helper.make_node("Concat", ["bent", "h"], ["states"], axis=0),
        helper.make_node("ReduceMax", ["x", "axes"], ["largest"], keepdims=0),
    ]
    entries = {"x": ["batch", 3], "h": [2, "batch", 3]}
    arrays = {"axes": np.asarray([1], np.int64)}
    model = model_of_nodes(
        nodes, entries, ["states", "largest"], arrays=arrays, opset=18
    )
    read = exchange.read(saved(model, tmp_path), engine="numpy")
    assert [read.network.shapes[name] for name in read.network.inputs] == [(3,), (2, 3)]
    x, h = np.float32([[1, 2, 3]]), np.float32([[[4, 5, 6], [7, 8, 9]]])
    states, largest = read.predict((x, h))
    np.testing.assert_array_equal(states, np.concatenate((np.tanh(h), h), axis=1))
    np.testing.assert_array_equal(largest, [[3]])


def test_a_single_number_is_asked_for(tmp_path, capsys):
    node = helper.make_node("Mul", ["x", "rate"], ["y"])
    model = model_of_nodes([node], {"x": ["N", 3], "rate": []}, ["y"])
    path = saved(model, tmp_path)
    with pytest.raises(pl.ExchangeError, match=r"got one float. Give.*\{'rate': …\}"):
        exchange.read(path)
    read = exchange.read(path, engine="numpy", constants={"rate": np.float32(2)})
    np.testing.assert_array_equal(read.predict(np.ones((1, 3))), [[2, 2, 2]])
    target = tmp_path / "rate.pellucid"
    asked = ["import", str(path), "--as", str(target), "--constant"]
    assert main([*asked, "rate=2"]) in (0, None)
    typed = pl.load(target, engine="numpy")
    np.testing.assert_array_equal(typed.predict(np.ones((1, 3))), [[2, 2, 2]])
    for wrong, said in (("rate", "must be NAME=NUMBERS"), ("rate=x", "got 'x'")):
        assert main([*asked, wrong]) == 2
        assert said in capsys.readouterr().err


def test_the_oldest_files_do_not_say_the_types_of_attributes(tmp_path):
    node = helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 1])
    model = model_of_nodes([node], {"x": ["N", 3, 2]}, ["y"], opset=1)
    model.graph.node[0].attribute[0].ClearField("type")
    read = exchange.read(saved(model, tmp_path), engine="numpy")
    x = np.random.default_rng(0).random((1, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(read.predict(x), x.transpose(0, 2, 1))


def test_a_spectrogram_is_scaled_by_its_own_numbers(tmp_path):
    """By the range of an example, 0 where that is 0, and cut below the largest."""
    nodes = [
        helper.make_node("ReduceMin", ["x"], ["low"], axes=[1, 2], keepdims=0),
        helper.make_node("Reshape", ["low", "to"], ["lowest"]),
        helper.make_node("Sub", ["x", "lowest"], ["above"]),
        helper.make_node("ReduceMax", ["above"], ["top"], axes=[1, 2], keepdims=0),
        helper.make_node("Reshape", ["top", "to"], ["range"]),
        helper.make_node("Div", ["above", "range"], ["share"]),
        helper.make_node("Equal", ["range", "zero"], ["is_flat"]),
        helper.make_node("Where", ["is_flat", "zero", "share"], ["scaled"]),
        helper.make_node("ReduceMax", ["scaled"], ["largest"], keepdims=0),
        helper.make_node("Sub", ["largest", "half"], ["floor"]),
        helper.make_node("Clip", ["scaled", "floor"], ["y"]),
    ]
    arrays = {
        "to": np.asarray([-1, 1, 1], np.int64),
        "zero": np.float32(0),
        "half": np.float32(0.5),
    }
    model = model_of_nodes(nodes, {"x": ["N", 2, 3]}, ["y"], arrays=arrays, opset=13)
    read = exchange.read(saved(model, tmp_path), engine="numpy")
    x = np.float32([[[0, 1, 2], [3, 4, 5]], [[7, 7, 7], [7, 7, 7]]])
    scaled = np.clip(x[0] / 5, 0.5, None)
    np.testing.assert_allclose(read.predict(x), [scaled, x[1] * 0], rtol=1e-6)


def test_a_graph_of_float16_comes_in_as_float32(tmp_path):
    """Weights, casts and operators of 16 bits; the file runs as it is."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(4, 3, 3, 3)).astype(np.float16)
    half = onnx.TensorProto.FLOAT16
    one = numpy_helper.from_array(np.ones(1, np.float16))
    nodes = [
        helper.make_node("Constant", [], ["one"], value=one),
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Cast", ["c"], ["f"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Cast", ["f"], ["h"], to=half),
        helper.make_node("Add", ["h", "one"], ["y"]),
    ]
    entry = helper.make_tensor_value_info("x", half, ("N", 3, 5, 6))
    end = helper.make_tensor_value_info("y", half, None)
    arrays = [numpy_helper.from_array(weight, "w")]
    graph = helper.make_graph(nodes, "g", [entry], [end], arrays)
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "half.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    model = exchange.read(path, engine="numpy")
    assert model.dtype == "float32"
    x = random.normal(size=(2, 5, 6, 3)).astype(np.float16).astype(np.float32)
    assert exchange.verify_export(model, path, x).relative < 2e-3
