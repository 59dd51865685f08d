""".tflite files that come in: ours, TensorFlow's, and bad ones."""

from __future__ import annotations

import struct

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.litert import container, flatbuffer, schema
from pellucid.exchange.litert.graph import Graph, Operator, Value
from pellucid.exchange.litert.names import NAMES

pytestmark = pytest.mark.sweep(every=2)


def test_every_layer_comes_back(case_name, case_model, images_of, agree, tmp_path):
    if case_name in ("avg_pool_uneven", "resize_bicubic"):
        pytest.skip("is not written")
    path = exchange.write(case_model, tmp_path / "model.tflite")
    back = exchange.read(path, engine="numpy")
    images = images_of(case_model)
    agree(back.predict(images), case_model.predict(images))


def test_zoo_networks_come_back_trained_as_they_were(
    zoo_model, images_of, agree, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / "model.tflite")
    back = exchange.read(path, engine="numpy")
    images = images_of(zoo_model)
    agree(back.predict(images), zoo_model.predict(images))
    assert back.preprocessing == zoo_model.preprocessing


def test_names_preprocessing_and_classes_are_kept(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.tflite")
    back = exchange.read(path, engine="numpy")
    names = [[node.name for node in m.network.nodes] for m in (back, small_model)]
    assert names[0] == names[1]
    assert back.classes == ("a", "b", "c")
    assert back.preprocessing == small_model.preprocessing


def test_the_tables_are_litert_s_own():
    theirs = pytest.importorskip("ai_edge_litert.schema_py_generated")
    numbers = vars(theirs.BuiltinOperator)
    assert all(numbers[name] == number for number, name in NAMES.items())
    options = {v: k for k, v in vars(theirs.BuiltinOptions).items()}
    for name, kind in schema.KINDS.items():
        assert NAMES[kind.number] == name
        if not kind.options:
            continue
        table = getattr(theirs, options[kind.options_number])
        for field, (slot, _) in kind.options.items():
            add = f"{options[kind.options_number]}Add{camel(field)}"
            assert hasattr(table, camel(field))
            assert slot in slots_of(getattr(theirs, add))


def camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def slots_of(add) -> tuple:
    return add.__code__.co_consts


# -- files by TensorFlow's own converter ---------------------------------------------


def networks(keras):
    layers = keras.layers
    image = keras.Input((12, 10, 3))
    yield keras.Sequential(
        [
            image,
            layers.ZeroPadding2D(((0, 1), (0, 1))),
            layers.Conv2D(8, 3, strides=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.LeakyReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(4, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    y = layers.BatchNormalization()(layers.Add()([image, x]))
    z = layers.Activation("silu")(layers.Concatenate()([x, y]))
    z = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(z)
    z = layers.AveragePooling2D(3, strides=2, padding="same")(z)
    z = layers.Conv2D(4, 3, activation="tanh", dilation_rate=2)(z)
    z = layers.GlobalAveragePooling2D()(z)
    yield keras.Model(image, layers.Dense(2, activation="sigmoid")(z))


@pytest.mark.filterwarnings("ignore")
def test_files_of_tensorflow_s_converter_give_the_original_s_outputs(agree, tmp_path):
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
    keras = pytest.importorskip("keras")
    random = np.random.default_rng(0)
    for network in networks(keras):
        for weight in network.weights:
            is_scale = any(word in weight.path for word in ("gamma", "variance"))
            low, high = (0.5, 1.5) if is_scale else (-0.3, 0.3)
            weight.assign(random.uniform(low, high, weight.shape))
        path = tmp_path / "theirs.tflite"
        converter = tensorflow.lite.TFLiteConverter.from_keras_model(network)
        path.write_bytes(converter.convert())
        model = exchange.read(path, engine="numpy")
        images = random.normal(size=(3, *network.input_shape[1:])).astype(np.float32)
        agree(model.predict(images), network.predict(images, verbose=0))


# -- what is refused -----------------------------------------------------------------


def graph_with(kind, *arrays, dtype="float32", **options) -> Graph:
    graph = Graph(name="case")
    value = Value(name="x", shape=(1, 6, 6, 2), dtype=dtype)
    graph.input = graph.add(value)
    inputs = [graph.constant(f"c{i}", np.asarray(a)) for i, a in enumerate(arrays)]
    graph.output = graph.add(Value(name="y", shape=(1, 6, 6, 2), dtype=dtype))
    operator = Operator(
        kind=kind, inputs=(0, *inputs), outputs=(graph.output,), options=options
    )
    graph.operators = [operator]
    return graph


POOL = {"filter_width": 2, "filter_height": 2, "stride_w": 2, "stride_h": 2}


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (
            graph_with("MAX_POOL_2D", **POOL, padding=1, fused_activation_function=5),
            r"MAX_POOL_2D 'y' \(padding=1, .* must have a fused activation among NONE, "
            "RELU, RELU_N1_TO_1, RELU6, TANH; got SIGN_BIT",
        ),
        (
            graph_with("MEAN", np.asarray([0], np.int32)),
            r"MEAN 'y' .* must keep the batch; got axes=\[0\]",
        ),
        (
            graph_with("SOFTMAX", beta=2.0),
            r"SOFTMAX 'y' \(beta=2.0\) must have beta=1.0; got 2.0",
        ),
        (graph_with("RELU", dtype="int8"), "must compute in float32; got int8"),
    ],
)
def test_what_is_not_exact_is_refused_by_operator_attributes_and_place(
    graph, sentence, tmp_path
):
    path = tmp_path / "model.tflite"
    path.write_bytes(container.to_bytes(graph))
    with pytest.raises(pl.ExchangeError, match=sentence):
        exchange.read(path, engine="numpy")


def test_operators_that_are_not_known_are_refused_by_their_names(tmp_path):
    graph = graph_with("RELU")
    content = container.to_bytes(graph)
    number = schema.KINDS["RELU"].number
    codes = flatbuffer.decode(schema.MODEL, content, identifier=b"TFL3")
    assert codes["operator_codes"][0]["builtin_code"] == number
    model = {**codes, "operator_codes": [{"builtin_code": 66}]}
    for buffer in model["buffers"]:
        buffer["data"] = b"" if buffer["data"] is None else bytes(buffer["data"])
    path = tmp_path / "model.tflite"
    path.write_bytes(flatbuffer.encode(schema.MODEL, model, identifier=b"TFL3"))
    with pytest.raises(pl.ExchangeError, match="SIN 'y' must be an operator that"):
        exchange.read(path, engine="numpy")


def test_images_that_are_transposed_at_once_come_in_as_ours(tmp_path):
    graph = Graph(name="case")
    graph.input = graph.add(Value(name="x", shape=(1, 3, 6, 5)))
    order = graph.constant("order", np.asarray([0, 2, 3, 1], np.int32))
    graph.output = graph.add(Value(name="y", shape=(1, 6, 5, 3)))
    graph.operators = [Operator(kind="TRANSPOSE", inputs=(0, order), outputs=(2,))]
    after = graph.add(Value(name="z", shape=(1, 6, 5, 3)))
    graph.operators.append(Operator(kind="RELU", inputs=(2,), outputs=(after,)))
    graph.output = after
    path = tmp_path / "model.tflite"
    path.write_bytes(container.to_bytes(graph))
    assert exchange.read(path, engine="numpy").network.input_shape == (6, 5, 3)


def test_tables_that_are_shared_without_end_are_refused(tmp_path, small_model):
    """One table that a million entries of a vector lead to costs no memory."""
    path = exchange.write(small_model, tmp_path / "model.tflite")
    content = bytearray(path.read_bytes())
    start = len(content) + (-len(content) % 4)
    content += bytes(start - len(content))
    count = flatbuffer.TABLE_LIMIT + 1
    content += struct.pack("<I", count)
    root = struct.unpack_from("<I", content, 0)[0]
    slots = root - struct.unpack_from("<i", content, root)[0]
    buffers = root + struct.unpack_from("<H", content, slots + 4 + 2 * 4)[0]
    first = buffers + struct.unpack_from("<I", content, buffers)[0]
    table = first + 4 + struct.unpack_from("<I", content, first + 4)[0]
    for i in range(count):  # offsets are unsigned: the table must lie behind
        content += struct.pack("<I", (table - (start + 4 + 4 * i)) % 2**32)
    struct.pack_into("<I", content, buffers, start - buffers)
    path.write_bytes(bytes(content))
    with pytest.raises(pl.ExchangeError, match=r"must be a whole \.tflite file"):
        exchange.read(path, engine="numpy")


def test_kinds_that_share_an_options_table_have_the_same_options():
    tables = {}
    for name, kind in schema.KINDS.items():
        if kind.options_number and kind.options:
            first = tables.setdefault(kind.options_number, (name, kind.options))
            assert kind.options == first[1], (name, first[0])
