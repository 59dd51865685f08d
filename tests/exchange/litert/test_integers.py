"""Integer operators of LiteRT against its reference kernels, in every bit."""

from __future__ import annotations

import numpy as np
import pytest
from integer_cases import CASES, HYBRIDS, dense, unary
from integer_graphs import (
    OneOperator,
    contents,
    in_litert,
    random_integers,
    real,
    scales,
)

import pellucid as pl
from pellucid import explain, recipes
from pellucid.code import write_script
from pellucid.exchange import runtime
from pellucid.exchange.dequantize import dequantize
from pellucid.exchange.litert.graph import Operator, Value
from pellucid.exchange.litert.read import read_graph
from pellucid.model import from_file
from pellucid.runs import ModelFile

COUNT = 40
#: operators that the compiled engine runs here, too; tests of the engines run the rest
COMPILED = (
    "average pool uint8",
    "conv",
    "conv uint8",
    "leaky relu",
    "resize bilinear",
    "resize bilinear corners",
    "softmax",
)


@pytest.fixture
def litert():
    return pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
    )


@pytest.mark.parametrize("name", CASES)
def test_an_integer_operator_gives_the_bits_of_the_reference(litert, name):
    graph = CASES[name]()
    model = read_graph(graph)
    inputs = random_integers(graph, COUNT)
    expected = in_litert(litert, contents(graph), graph, inputs)
    given = [
        real(array, graph.values[number].scales)
        for array, number in zip(inputs, graph.all_inputs, strict=True)
    ]
    for engine in ("numpy", "compiled") if name in COMPILED else ("numpy",):
        session = pl.engines.make(engine).build(
            model.network,
            state={f"weights/{n}": array for n, array in model.weights.items()},
        )
        found = session.predict(tuple(given) if len(given) > 1 else given[0])
        np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def write(path, graph):
    path.write_bytes(contents(graph))
    return path


def test_a_file_is_probed_against_the_reference_kernels(litert, tmp_path, monkeypatch):
    path = write(tmp_path / "one.tflite", dense("int8"))
    pl.exchange.read(path, engine="numpy")
    ours = runtime.run_several

    def wrong(name, content, x):
        assert name == "tflite_reference"
        return [y + 1 for y in ours(name, content, x)]

    monkeypatch.setattr(runtime, "run_several", wrong)
    with pytest.raises(pl.ExchangeError, match="must give the outputs of its file"):
        pl.exchange.read(path, engine="numpy")


def test_an_integer_network_is_kept_as_it_is(litert, tmp_path):
    model = pl.exchange.read(
        write(tmp_path / "one.tflite", dense("int8")), engine="numpy"
    )
    assert {w.name: w.dtype for w in model.network.weights} == {
        "y.weight": "int8",
        "y.bias": "int32",
        "y.factor": "float64",
    }
    assert "Dense, int8" in str(model.network)
    assert "2,400 integer weights" in str(model.network)
    model.save(tmp_path / "one.pellucid")
    again = pl.load(tmp_path / "one.pellucid", engine="numpy")
    assert again.network == model.network
    for name, array in model.weights.items():
        assert again.weights[name].dtype == array.dtype
        np.testing.assert_array_equal(again.weights[name], array)


def test_others_refuse_an_integer_network_and_name_the_way_out(litert, tmp_path):
    path = write(tmp_path / "one.tflite", dense("int8"))
    model = pl.exchange.read(path, engine="numpy", loss="mse")
    match = r"got Quantize 'x0_quantized', an integer layer.*dequantize=True"
    x, y = np.zeros((1, 60), np.float32), np.zeros((1, 40), np.float32)
    with pytest.raises(pl.UnsupportedLayerError, match=f"float network; {match}"):
        model.gradients(x, y)
    with pytest.raises(pl.UnsupportedLayerError, match=f"float network; {match}"):
        model.vjp(x, y)
    with pytest.raises(pl.UnsupportedLayerError, match=f"float network; {match}"):
        pl.exchange.read(path, engine="numpy", optimizer="adam")
    for refused in (
        lambda: pl.exchange.write(model, tmp_path / "one.mjs"),
        lambda: pl.exchange.write(model, tmp_path / "one.c"),
        lambda: explain.arithmetic(model, x, "y"),
        lambda: write_script(
            model.network, "numpy", recipe=recipes.read("mnist-torch"), data="mnist"
        ),
    ):
        with pytest.raises(pl.UnsupportedLayerError, match=f"in floats; {match}"):
            refused()
    assert pl.exchange.write(model, tmp_path / "one.npz").exists()
    pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(pl.UnsupportedLayerError, match=f"compute in floats; {match}"):
        pl.exchange.read(path, engine="torch")


def test_weights_of_another_type_are_refused(litert, tmp_path):
    model = pl.exchange.read(
        write(tmp_path / "one.tflite", dense("int8")), engine="numpy"
    )
    given = {**model.weights, "y.weight": model.weights["y.weight"].astype(np.float32)}
    with pytest.raises(
        pl.EngineError, match=r"'y.weight' must be of int8; got float32"
    ):
        model.load_weights(given)


def two_scales():
    return unary("RESHAPE", output=(60,), scale=0.06, constant=[-1, 60])


def three_scales():
    made = OneOperator("FULLY_CONNECTED").input(4)
    made.constant(np.ones((2, 4), np.int8), scales([0.1, 0.2, 0.3]))
    return made.output(2)


REFUSED = {
    "have one scale": two_scales,
    "have a scale, or 2": three_scales,
    "interpolate in integers; got uint8": lambda: unary(
        "RESIZE_BILINEAR", "uint8", output=(7, 9, 3), constant=[7, 9]
    ),
    "integer form that is known; got L2_NORMALIZATION": lambda: unary(
        "L2_NORMALIZATION"
    ),
    "fused activation among NONE, RELU.*got TANH": lambda: unary(
        "AVERAGE_POOL_2D",
        padding=1,
        stride_h=1,
        stride_w=1,
        filter_width=1,
        filter_height=1,
        fused_activation_function=4,
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_has_no_integer_form_is_refused_by_name(rule):
    with pytest.raises(pl.ExchangeError, match=rule):
        read_graph(REFUSED[rule]())


@pytest.mark.parametrize("name", CASES)
def test_a_float_network_differs_by_a_step_where_no_integer_was_at_its_end(name):
    graph = CASES[name]()
    file = read_graph(graph)
    given = [
        real(array, graph.values[number].scales)
        for array, number in zip(
            random_integers(graph, COUNT), graph.all_inputs, strict=True
        )
    ]
    images = tuple(given) if len(given) > 1 else given[0]
    whole, floats = (from_file(f, engine="numpy") for f in (file, dequantize(file)))
    output = graph.values[graph.output]
    ends = np.iinfo(output.dtype)
    expected, found = whole.predict(images), floats.predict(images)
    steps = expected / np.float32(output.scales.one) + output.scales.zero_point
    is_inside = (steps > ends.min + 0.5) & (steps < ends.max - 0.5)
    assert is_inside.mean() > 0.3
    error = np.abs(found - expected)[is_inside]
    assert error.max() <= 1.2 * output.scales.one
    assert all(w.dtype is None for w in floats.network.weights)


def test_a_dequantized_file_can_be_trained(litert, tmp_path):
    path = write(tmp_path / "one.tflite", CASES["conv stride relu6"]())
    model = pl.exchange.read(
        path, engine="numpy", dequantize=True, loss="mse", optimizer=pl.SGD(1e-5)
    )
    kinds = [type(node.layer) for node in model.network.nodes]
    assert kinds == [pl.Input, pl.Conv2D, pl.ReLU6]
    images = np.random.default_rng(0).normal(size=(8, 9, 8, 3)).astype(np.float32)
    goal = np.zeros((8, *model.network.output_shape), np.float32)
    before = model.evaluate((images, goal))["loss"]
    model.fit((images, goal), epochs=2, progress=False)
    assert model.evaluate((images, goal))["loss"] < before


def test_an_output_that_cannot_be_negative_is_a_relu_as_float():
    step = pl.Quantization(0.1)
    network = pl.Sequential(
        pl.Input(3),
        pl.Quantize(step),
        pl.Quantized(pl.Dense(2), (step,), pl.Quantization(6 / 255, -128), name="six"),
        pl.Quantized(
            pl.Dense(2),
            (pl.Quantization(6 / 255, -128),),
            pl.Quantization(0.1, 0, "uint8"),
            name="plain",
        ),
    )
    weights = network.initial_weights(0)
    found = dequantize(
        ModelFile(
            network=network, weights=weights, preprocessing=pl.Preprocessing.unknown()
        )
    )
    names = [node.name for node in found.network.nodes]
    assert names == ["input", "six", "six_relu6", "plain", "plain_relu"]
    assert found.network.outputs == ("plain_relu",)


@pytest.mark.parametrize("name", HYBRIDS)
def test_a_hybrid_operator_gives_the_bits_of_the_reference(litert, name):
    graph = HYBRIDS[name]()
    shape = (COUNT, *graph.values[graph.input].shape[1:])
    x = np.random.default_rng(0).normal(0.5, 1, shape).astype(np.float32)
    x[3] = 0
    expected = in_litert(litert, contents(graph), graph, [x])
    file = read_graph(graph)
    assert isinstance(file.network.nodes[1].layer, pl.Hybrid)
    for engine in ("numpy", "compiled"):
        found = from_file(file, engine=engine).predict(x)
        np.testing.assert_array_equal(found, expected)
    floats = from_file(dequantize(file), engine="numpy").predict(x)
    error = np.abs(floats - expected)
    assert 0 < error.mean() <= 0.01 * np.abs(expected).max()


def test_weights_that_are_only_stored_as_integers_are_floats(litert, tmp_path):
    graph = HYBRIDS["conv"]()
    (operator,) = graph.operators
    weight = graph.values[operator.inputs[1]]
    real = graph.add(Value(name="real", shape=weight.shape))
    graph.operators.insert(
        0, Operator(kind="DEQUANTIZE", inputs=operator.inputs[1:2], outputs=(real,))
    )
    operator.inputs = (operator.inputs[0], real, operator.inputs[2])
    model = pl.exchange.read(write(tmp_path / "one.tflite", graph), engine="numpy")
    assert [type(node.layer) for node in model.network.nodes] == [pl.Input, pl.Conv2D]
    wanted = weight.array.transpose(1, 2, 3, 0) * np.float32(weight.scales.one)
    np.testing.assert_array_equal(model.weights["y.weight"], wanted)


def test_a_shape_that_the_graph_computes_of_integers_is_known(litert, tmp_path):
    graph = unary("RESHAPE", output=(60,), constant=[-1, 60])
    (reshape,) = graph.operators
    shape = graph.add(Value(name="shape", shape=(4,), dtype="int32"))
    batch = graph.add(Value(name="batch", shape=(), dtype="int32"))
    whole = graph.add(Value(name="whole", shape=(2,), dtype="int32"))
    begin, end, step, rest = (
        graph.constant(name, np.asarray(value, np.int32))
        for name, value in (("0", [0]), ("1", [1]), ("s", [1]), ("60", 60))
    )
    masks = dict.fromkeys(("begin", "end", "ellipsis", "new_axis"), 0)
    options = {f"{name}_mask": value for name, value in masks.items()}
    graph.operators[:0] = [
        Operator(kind="SHAPE", inputs=(graph.input,), outputs=(shape,)),
        Operator(
            kind="STRIDED_SLICE",
            inputs=(shape, begin, end, step),
            outputs=(batch,),
            options={**options, "shrink_axis_mask": 1},
        ),
        Operator(
            kind="PACK",
            inputs=(batch, rest),
            outputs=(whole,),
            options={"values_count": 2, "axis": 0},
        ),
    ]
    reshape.inputs = (graph.input, whole)
    model = pl.exchange.read(write(tmp_path / "one.tflite", graph), engine="numpy")
    assert model.network.output_shape == (60,)


@pytest.mark.parametrize(
    ("name", "product"),
    [("conv", np.float64), ("conv uint8", np.float32), ("dense", np.float32)],
)
def test_scales_are_multiplied_in_the_reference_kernels_type(name, product):
    """Legacy uint8, and dense layers of one scale, take a product of 32 bits."""
    graph = CASES[name]()
    (operator,) = graph.operators
    x, weight = (graph.values[i].scales for i in operator.inputs[:2])
    y = graph.values[operator.outputs[0]].scales.one
    expected = (product(x.one) * weight.scale.astype(product)).astype(np.float64) / y
    model = read_graph(graph)
    (factor,) = (a for n, a in model.weights.items() if n.endswith(".factor"))
    np.testing.assert_array_equal(factor, np.broadcast_to(expected, factor.shape))
