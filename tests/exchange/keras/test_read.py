"""Keras in: our own files back, Keras's, and what is refused."""

from __future__ import annotations

import json
import zipfile

import h5py
import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.sweep(every=2)]
NOT_IN_KERAS = {
    "avg_pool_uneven",
    "conv_transpose_grouped",
    "local_response_norm",
    "local_response_norm_wide",
    "max_pool_uneven",
    "resize_bicubic",
}


#: what Keras has no layer for, and is written by others that do the same
REWRITTEN = {
    "attention",
    "channel_shuffle",
    "composed",
    "depth_to_space",
    "depth_to_space_crd",
    "pad_channels",
    "pad_rows",
    "reshape_to_row",
    "slice",
    "slice_rows",
    "space_to_depth",
    "space_to_depth_crd",
    "split_channels",
    "split_columns",
    "split_rows",
}


def test_every_layer_comes_back_as_it_was(
    case_name, case_model, images_of, agree, tmp_path
):
    if case_name in NOT_IN_KERAS:
        pytest.skip("Keras cannot express it")
    path = exchange.write(case_model, tmp_path / "model.keras")
    back = exchange.read(path, engine="numpy")
    images = images_of(case_model)
    agree(back.predict(images), case_model.predict(images))
    kinds = {type(node.layer) for node in case_model.network.nodes}
    assert case_name in REWRITTEN or kinds <= {
        type(node.layer) for node in back.network.nodes
    }


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_preprocessing_and_classes_come_back(suffix, small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / f"model{suffix}")
    back = exchange.read(path, engine="numpy")
    assert back.classes == ("a", "b", "c")
    assert back.preprocessing == small_model.preprocessing


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """A model of Keras's own with branches, saved in both formats."""
    keras = pytest.importorskip("keras", reason="keras is not installed")
    layers, folder = keras.layers, tmp_path_factory.mktemp("keras")
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.BatchNormalization(scale=False)(layers.Rescaling(0.5, offset=1.0)(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1)(x)
    z = layers.SeparableConv2D(4, 3, padding="same", activation="silu")(x)
    x = layers.Concatenate()([layers.Add()([x, y]), z])
    x = layers.Conv2DTranspose(3, 2, strides=3)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(layers.LeakyReLU()(x))
    x = layers.MaxPooling2D()(layers.ZeroPadding2D(((1, 2), (0, 1)))(x))
    x = layers.Activation("gelu")(layers.AveragePooling2D(3, padding="same")(x))
    x = layers.LayerNormalization(center=False)(layers.Reshape((-1,))(x))
    outputs = layers.Dense(5, activation="softmax")(layers.Dropout(0.3)(x))
    model = keras.Model(image, outputs)
    for layer in model.layers:
        random = np.random.default_rng(0)
        layer.set_weights(
            [random.uniform(0.2, 1, w.shape) for w in layer.get_weights()]
        )
    for suffix in ("keras", "h5"):
        model.save(folder / f"model.{suffix}")
    return model, folder


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_model_of_keras_comes_in(suffix, theirs, agree):
    model, folder = theirs
    ours = exchange.read(folder / f"model.{suffix}", engine="numpy")
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    agree(ours.predict(images), model(images, training=False))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_sequential_model_of_keras_comes_in(suffix, agree, tmp_path):
    keras = pytest.importorskip("keras", reason="keras is not installed")
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(3, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    model.save(tmp_path / f"model.{suffix}")
    ours = exchange.read(tmp_path / f"model.{suffix}", engine="numpy")
    images = np.random.default_rng(1).normal(size=(2, 6, 6, 1)).astype(np.float32)
    agree(ours.predict(images), model(images))


def changed(path, change):
    """Rewrite config.json of a .keras file."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(entries["config.json"])
    change(config)
    entries["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("layer", "settings", "said"),
    [
        (1, {"data_format": "channels_first"}, "Conv2D 'conv2d' must have data_format"),
        (1, {"activation": "hard_tanh"}, "must have an activation among"),
        (1, {"dtype": "mixed_float16"}, "must compute in float32"),
        (1, {"filters": 2, "padding": "causal"}, "padding must be"),
    ],
)
def test_settings_that_no_layer_has_are_refused(
    layer, settings, said, small_model, tmp_path
):
    path = exchange.write(small_model, tmp_path / "model.keras")
    changed(path, lambda c: c["config"]["layers"][layer]["config"].update(settings))
    with pytest.raises(pl.ExchangeError, match=said):
        exchange.read(path, engine="numpy")


def test_a_lambda_is_refused_and_not_run(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.keras")
    changed(path, lambda c: c["config"]["layers"][2].update(class_name="Lambda"))
    with pytest.raises(pl.ExchangeError, match="Lambda 'conv2d_relu' must be a layer"):
        exchange.read(path, engine="numpy")


def test_a_call_of_a_layer_that_is_not_there_is_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.keras")

    def later(config):
        call = config["config"]["layers"][2]["inbound_nodes"][0]
        call["args"][0]["config"]["keras_history"][1] = 1

    changed(path, later)
    with pytest.raises(pl.ExchangeError, match="output 0 of call 1 of 'conv2d'"):
        exchange.read(path, engine="numpy")


def test_layers_that_read_each_other_are_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.keras")

    def circle(config):
        layers = config["config"]["layers"]
        layers[1]["inbound_nodes"] = layers[3]["inbound_nodes"]

    changed(path, circle)
    with pytest.raises(pl.ExchangeError, match="must read layers that exist"):
        exchange.read(path, engine="numpy")


def test_weights_alone_are_refused_with_advice(tmp_path):
    with h5py.File(tmp_path / "weights.h5", "w") as store:
        store["dense/kernel"] = np.zeros(3)
    with pytest.raises(pl.ExchangeError, match=r"got weights alone\. Save with"):
        exchange.read(tmp_path / "weights.h5", engine="numpy")


def test_a_link_to_another_file_is_not_followed(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.h5")
    with h5py.File(tmp_path / "other.h5", "w") as store:
        store["secret"] = np.zeros((3, 3, 1, 2), np.float32)
    with h5py.File(path, "a") as store:
        group = store["model_weights/conv2d/conv2d"]
        del group["0"]
        group["0"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "secret")
    with pytest.raises(
        pl.ExchangeError, match=r"must be floats in the file itself.*got a link"
    ):
        exchange.read(path, engine="numpy")


def test_an_array_that_would_fill_the_memory_is_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.h5")
    with h5py.File(path, "a") as store:
        group = store["model_weights/conv2d/conv2d"]
        del group["0"]
        group.create_dataset("0", (2**20, 2**20), "f4", chunks=(1024, 1024))
    with pytest.raises(
        pl.ExchangeError,
        match=r"must be floats in the file itself.*got 4398046511104 bytes",
    ):
        exchange.read(path, engine="numpy")
