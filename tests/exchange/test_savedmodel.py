"""TensorFlow's SavedModels, loaded as TensorFlow loads them."""

from __future__ import annotations

import json
import sys

import networks
import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import verify_export

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own

CASES = ("avg_pool_uneven", "branches", "conv_transpose_extended", "vectors")


@pytest.mark.parametrize("name", CASES)
def test_tensorflow_gives_the_same(name, model_of, images_of, tmp_path):
    case_model = model_of(networks.CASES[name]())
    path = exchange.write(case_model, tmp_path / "model.savedmodel")
    proof = verify_export(case_model, path, images_of(case_model))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("tensorflow")


IN = (
    "avg_pool_same",
    "batch_norm",
    "branches",
    "conv_depthwise",
    "conv_grouped",
    "conv_transpose_cropped",
    "conv_transpose_extended",
    "conv_transpose_same",
    "dense_on_pixels",
    "dropout",
    "layer_norm_on_pixels",
    "leaky_relu",
    "local_response_norm",
    "upsample_bilinear",
    "upsample_nearest",
    "vectors",
)


@pytest.mark.parametrize("name", IN)
def test_saved_models_come_back(name, model_of, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(networks.CASES[name]())
    path = exchange.write(model, tmp_path / "model.savedmodel")
    back = exchange.read(path, engine="numpy")
    images = images_of(model)
    agree(back.predict(images), model.predict(images))


def test_networks_of_the_zoo_run_and_come_back(zoo_model, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    path, images = tmp_path / "m.savedmodel", images_of(zoo_model)
    exchange.write(zoo_model, path)
    assert verify_export(zoo_model, path, images).relative <= 1e-5
    back = exchange.read(path, engine="numpy")
    agree(back.predict(images), zoo_model.predict(images))
    assert back.preprocessing == zoo_model.preprocessing


def test_a_pool_that_is_spelt_out_comes_in(model_of, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(networks.CASES["avg_pool_uneven"]())
    path = exchange.write(model, tmp_path / "m.savedmodel")
    images = images_of(model)
    agree(exchange.read(path, engine="numpy").predict(images), model.predict(images))


def test_groups_that_are_split_and_joined_come_in(model_of, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(networks.CASES["conv_transpose_grouped"]())
    path = exchange.write(model, tmp_path / "m.savedmodel")
    images = images_of(model)
    agree(
        exchange.read(path, engine="numpy").predict(images),
        model.predict(images),
    )


THROUGH_LITERT = (
    "batch_norm",
    "branches",
    "conv_grouped",
    "dense_on_pixels",
    "max_pool_uneven",
    "upsample_bilinear",
)


@pytest.mark.parametrize("name", THROUGH_LITERT)
def test_saved_models_come_back_without_tf2onnx(
    name, model_of, images_of, agree, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tf2onnx.tf_loader", None)
    model = model_of(networks.CASES[name]())
    path = exchange.write(model, tmp_path / "model.savedmodel")
    back = exchange.read(path, engine="numpy")
    images = images_of(model)
    agree(back.predict(images), model.predict(images))
    assert back.preprocessing == model.preprocessing


def test_an_optimizers_variables_are_left_out(small_model, tmp_path, images_of, agree):
    from tensorflow.core.protobuf import saved_model_pb2

    path = exchange.write(small_model, tmp_path / "model.savedmodel")
    content = saved_model_pb2.SavedModel.FromString(
        (path / "saved_model.pb").read_bytes()
    )
    nodes = content.meta_graphs[0].object_graph_def.nodes
    owner = next(i for i, node in enumerate(nodes) if node.HasField("user_object"))
    variables = [i for i, node in enumerate(nodes) if node.HasField("variable")]
    nodes[owner].slot_variables.add(
        original_variable_node_id=variables[0],
        slot_name="momentum",
        slot_variable_node_id=variables[1],
    )
    (path / "saved_model.pb").write_bytes(content.SerializeToString())
    with pytest.raises(AttributeError, match="add_slot"):
        tf.saved_model.load(str(path))
    images = images_of(small_model)
    back = exchange.read(path, engine="numpy")
    agree(back.predict(images), small_model.predict(images))
    assert verify_export(small_model, path, images).relative <= 1e-5


def test_free_sizes_of_a_signature_are_named(agree, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx.tf_loader", None)
    module, path = tf.Module(), tmp_path / "theirs"
    module.kernel = tf.Variable(tf.random.stateless_normal((3, 3, 2, 4), (1, 2)))
    spec = tf.TensorSpec((None, None, None, 2), tf.float32)
    module.call = tf.function(
        lambda x: tf.nn.relu(tf.nn.conv2d(x, module.kernel, 1, "SAME")), [spec]
    )
    tf.saved_model.save(
        module, str(path), signatures=module.call.get_concrete_function()
    )
    with pytest.raises(pl.ExchangeError, match="must be named"):
        exchange.read(path, engine="numpy")
    x = np.random.default_rng(0).normal(size=(3, 6, 5, 2)).astype(np.float32)
    back = exchange.read(path, engine="numpy", input_shape=(6, 5))
    agree(back.predict(x), module.call(tf.constant(x)).numpy())


def keras_model(**first):
    """A model of Keras's own layers, none of whose weights is 0 or 1 throughout."""
    keras = tf.keras
    layers = keras.layers
    image = keras.Input((9, 7, 4))
    x = layers.Conv2D(6, 3, padding="same", **first)(image)
    x = layers.LayerNormalization()(layers.DepthwiseConv2D(3, padding="same")(x))
    y = layers.UpSampling2D((2, 3))(layers.LeakyReLU(0.2)(x))
    z = layers.UpSampling2D((2, 3), interpolation="bilinear")(x)
    y = layers.Conv2DTranspose(3, 3, strides=2, padding="same")(layers.Add()([y, z]))
    y = layers.Dense(5, activation="silu")(layers.BatchNormalization()(y))
    y = layers.Flatten()(layers.AveragePooling2D(6)(layers.MaxPooling2D(2)(y)))
    y = layers.LayerNormalization()(layers.Dense(8, activation="tanh")(y))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(y))
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


def test_a_model_of_keras_comes_in(agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    theirs, path = keras_model(groups=2, activation="gelu"), tmp_path / "theirs"
    theirs.export(str(path), verbose=False)
    x = np.random.default_rng(0).normal(size=(3, 9, 7, 4)).astype(np.float32)
    back = exchange.read(path, engine="numpy")
    agree(back.predict(x), theirs(x))
    assert len([n for n in back.network.nodes if "layer_norm" in n.name]) == 2


def test_what_tf2onnx_makes_of_a_keras_model_comes_in(agree, tmp_path):
    convert = pytest.importorskip("tf2onnx.convert", reason="tf2onnx is not installed")
    theirs, path = keras_model(activation="sigmoid"), tmp_path / "theirs.onnx"
    spec = tf.TensorSpec((None, 9, 7, 4), tf.float32, name="image")
    function = tf.function(theirs, input_signature=[spec])
    convert.from_function(function, input_signature=[spec], output_path=str(path))
    x = np.random.default_rng(0).normal(size=(3, 9, 7, 4)).astype(np.float32)
    agree(exchange.read(path, engine="numpy").predict(x), theirs(x))


def test_a_module_of_tensorflow_comes_in(agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")

    class Theirs(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(tf.random.stateless_normal((3, 3, 2, 4), (1, 2)))
            self.dense = tf.Variable(tf.random.stateless_normal((36, 5), (3, 4)))

        @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 2), tf.float32)])
        def __call__(self, x):
            y = tf.nn.relu(tf.nn.conv2d(x, self.kernel, 1, "VALID"))
            y = tf.nn.max_pool2d(y, 2, 2, "VALID")
            return tf.linalg.matmul(tf.reshape(y, (-1, 36)), self.dense)

    module, path = Theirs(), tmp_path / "theirs"
    signatures = {"serving_default": module.__call__.get_concrete_function()}
    tf.saved_model.save(module, str(path), signatures=signatures)
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    back = exchange.read(path, engine="numpy")
    agree(back.predict(x), module(tf.constant(x)).numpy())


def test_a_damaged_saved_model_is_refused_in_one_sentence(small_model, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    path = exchange.write(small_model, tmp_path / "model.savedmodel")
    whole = (path / "saved_model.pb").read_bytes()
    for content in (b"", b"no", whole[: len(whole) // 2]):
        (path / "saved_model.pb").write_bytes(content)
        with pytest.raises(pl.ExchangeError, match="SavedModel"):
            exchange.read(path, engine="numpy")
    with pytest.raises(pl.ExchangeError, match=r"must hold a saved_model\.pb"):
        exchange.read(tmp_path, engine="numpy", format="savedmodel")


def test_classes_lie_beside_the_model(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.savedmodel")
    card = json.loads((path / "assets.extra/pellucid_card.json").read_text())
    assert card["classes"] == ["a", "b", "c"]
