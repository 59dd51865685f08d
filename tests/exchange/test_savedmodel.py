"""This file is TensorFlow's SavedModels, loaded as TensorFlow loads them."""

from __future__ import annotations

import json

import networks
import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import prove

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")

pytestmark = pytest.mark.filterwarnings("ignore")  # TensorFlow's own

CASES = ("avg_pool_uneven", "branches", "conv_transpose_extended", "vectors")


@pytest.mark.parametrize("name", CASES)
def test_tensorflow_gives_the_same(name, model_of, images_of, tmp_path):
    case_model = model_of(networks.CASES[name]())
    path = exchange.write(case_model, tmp_path / "model.savedmodel")
    proof = prove(case_model, path, images_of(case_model))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("tensorflow")


IN = ("avg_pool_same", "batch_norm", "branches", "dropout")


@pytest.mark.parametrize("name", IN)
def test_saved_models_come_back(name, model_of, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(networks.CASES[name]())
    path = exchange.write(model, tmp_path / "model.savedmodel")
    back = exchange.read(path, engine="numpy")
    images = images_of(model)
    agree(back.predict(images), model.predict(images))


@pytest.mark.parametrize("name", ["lenet5", "mnist-torch", "resnet20"])
def test_networks_of_the_zoo_come_back(name, model_of, images_of, agree, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(pl.zoo(name))
    back = exchange.read(exchange.write(model, tmp_path / "m.savedmodel"))
    images = images_of(model)
    agree(back.predict(images), model.predict(images))
    assert back.preprocessing == model.preprocessing


def test_what_tf2onnx_spells_out_otherwise_is_refused_by_name(model_of, tmp_path):
    pytest.importorskip("tf2onnx", reason="tf2onnx is not installed")
    model = model_of(networks.CASES["layer_norm_on_pixels"]())
    path = exchange.write(model, tmp_path / "m.savedmodel")
    with pytest.raises(pl.ExchangeError, match=r"import: \w+ '.*layer_norm.* must"):
        exchange.read(path, engine="numpy")


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
