"""Keras out: Keras itself gives what we give."""

from __future__ import annotations

import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

pytest.importorskip("h5py", reason="h5py is not installed")
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.sweep(every=2)]
NOT_IN_KERAS = {
    "avg_pool_uneven",
    "conv_transpose_grouped",
    "local_response_norm",
    "local_response_norm_wide",
    "max_pool_uneven",
    "resize_bicubic",
}


@pytest.fixture(scope="module")
def keras():
    return pytest.importorskip("keras", reason="keras is not installed")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_zoo_networks_give_the_same_in_keras(
    suffix, keras, zoo_model, images_of, agree, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / f"model{suffix}")
    loaded = keras.saving.load_model(path, compile=False)
    images = images_of(zoo_model)
    agree(loaded(images), zoo_model.predict(images))


def test_every_layer_gives_the_same_in_keras(
    keras, case_name, case_model, images_of, agree, tmp_path
):
    path = tmp_path / "model.keras"
    if case_name in NOT_IN_KERAS:
        with pytest.raises(pl.ExchangeError, match="that Keras can express exactly"):
            exchange.write(case_model, path)
        assert not path.exists()
        return
    exchange.write(case_model, path)
    images = images_of(case_model)
    loaded = keras.saving.load_model(path, compile=False)
    agree(loaded(images), case_model.predict(images))


def test_a_padded_max_pool_is_exact_after_a_relu(
    keras, model_of, images_of, agree, tmp_path
):
    layers = pl.ReLU(), pl.MaxPool2D(3, stride=2, padding=((0, 2), (2, 1)))
    model = model_of(pl.Sequential(pl.Input(9, 7, 2), *layers))
    path = exchange.write(model, tmp_path / "model.keras")
    images = images_of(model)
    loaded = keras.saving.load_model(path, compile=False)
    agree(loaded(images), model.predict(images))


def test_what_keras_saves_again_comes_back(
    keras, zoo_model, images_of, agree, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / "model.keras")
    keras.saving.load_model(path, compile=False).save(tmp_path / "again.keras")
    back = exchange.read(tmp_path / "again.keras", engine="numpy")
    images = images_of(zoo_model)
    agree(back.predict(images), zoo_model.predict(images))


def test_the_same_model_makes_the_same_bytes(small_model, tmp_path):
    first = exchange.write(small_model, tmp_path / "a.keras").read_bytes()
    assert exchange.write(small_model, tmp_path / "b.keras").read_bytes() == first


def test_keras_is_not_imported_to_write(small_model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    path = exchange.write(small_model, tmp_path / "model.keras")
    back = exchange.read(path, engine="numpy")
    images = np.ones((1, 6, 6, 1), np.float32)
    np.testing.assert_array_equal(back.predict(images), small_model.predict(images))
