"""Preprocessing of imported models: kept, told by the first layers, or asked for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")  # floats of 0 … 255; Keras's own
PIXELS = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3), np.uint8)


@pytest.fixture
def model(model_of):
    return model_of(
        pl.Sequential(
            pl.Input(8, 8, 3),
            pl.Conv2D(4, kernel_size=3, activation="relu"),
            pl.Flatten(),
            pl.Dense(3),
        )
    )


@pytest.fixture
def theirs(model, tmp_path):
    """The same network as another program would write it: without our card."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    path = exchange.write(model, tmp_path / "theirs.onnx")
    document = onnx.load(path)
    del document.metadata_props[:]
    onnx.save(document, path)
    return path


def called(*arguments: str) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


def test_floats_work_and_bytes_are_asked_for(theirs, model, agree):
    ours = exchange.read(theirs, engine="numpy")
    floats = PIXELS.astype(np.float32) / 99
    agree(ours.predict(floats), model.predict(floats))
    for ask in (
        lambda: ours.predict(PIXELS),
        lambda: ours.evaluate((PIXELS, np.zeros(3, int))),
        lambda: ours.activations(PIXELS),
        lambda: exchange.write(ours, "x.int8.tflite", calibration=PIXELS),
    ):
        with pytest.raises(pl.DataError, match="preprocessing must be known") as told:
            ask()
        assert "--preset" in str(told.value)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ({"preprocessing": "unit"}, PIXELS / 255),
        ({"preprocessing": pl.Preprocessing.signed()}, PIXELS / 127.5 - 1),
        ({"scale": 1}, PIXELS * 1.0),
        ({"mean": (0.1, 0.2, 0.3), "std": 0.5}, (PIXELS / 255 - [0.1, 0.2, 0.3]) / 0.5),
        ({"preprocessing": "raw", "channel_order": "bgr"}, PIXELS[..., ::-1] * 1.0),
    ],
)
def test_what_is_given_is_kept(theirs, model, agree, given, right, tmp_path):
    ours = exchange.read(theirs, engine="numpy", **given)
    expected = model.predict(right.astype(np.float32))
    agree(ours.predict(PIXELS), expected)
    ours.save(tmp_path / "ours.pellucid")
    agree(pl.load(tmp_path / "ours.pellucid", engine="numpy").predict(PIXELS), expected)
    back = exchange.write(ours, tmp_path / "again.onnx")
    agree(exchange.read(back, engine="numpy").predict(PIXELS), expected)
    labels = np.argmax(expected, axis=1)
    assert ours.evaluate((PIXELS, labels))["accuracy"] == 1


def test_what_is_given_must_fit_the_channels(theirs):
    with pytest.raises(pl.ExchangeError, match="for the 3 channels of the input"):
        exchange.read(theirs, engine="numpy", mean=(0.1, 0.2))


def test_our_own_card_is_kept(model, tmp_path):
    path = exchange.write(model, tmp_path / "ours.onnx")
    assert exchange.read(path, engine="numpy").preprocessing == model.preprocessing


def test_keras_models_cast_bytes_as_keras_does(model, tmp_path, agree):
    keras = pytest.importorskip("keras", reason="keras is not installed")
    exchange.write(model, tmp_path / "ours.keras")
    theirs = keras.saving.load_model(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    ours = exchange.read(tmp_path / "theirs.keras", engine="numpy")
    agree(ours.predict(PIXELS), np.asarray(theirs(PIXELS.astype(np.float32))))
    with pytest.raises(pl.DataError, match="must be known for pictures"):
        ours.preprocessing.check_pictures()


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (1 / 255, 0.0, pl.Preprocessing.raw()),  # Keras's Rescaling
        (1 / 127.5, -1.0, pl.Preprocessing.raw()),
        (1 / 60, -2.1, pl.Preprocessing.raw()),  # its Normalization
        (1.0, -123.7, pl.Preprocessing.raw()),  # a mean is subtracted
        (1 / 0.225, -0.45 / 0.225, pl.Preprocessing.unit()),
        (2.0, -1.0, pl.Preprocessing.unit()),
        (2.0, 0.0, None),  # of [0, 1] or of anything else
        (1.0, 0.5, None),
    ],
)
def test_first_layers_tell_which_pixels_they_take(scale, offset, expected):
    from pellucid.exchange.input_scaling import infer_preprocessing

    network = pl.Sequential(
        pl.Input(4, 4, 3),
        pl.BatchNorm(epsilon=0.0, trainable=False),
        pl.Conv2D(2, kernel_size=3),
    )
    weights = dict(pl.Model(network, engine="numpy").weights)
    weights["batch_norm.scale"] = np.full(3, scale, np.float32)
    weights["batch_norm.offset"] = np.full(3, offset, np.float32)
    assert infer_preprocessing(network, weights) == expected


def test_import_says_what_is_missing_and_takes_it(theirs, monkeypatch, capsys):
    monkeypatch.chdir(theirs.parent)
    Image.fromarray(PIXELS[0]).save("photo.png")
    assert called("import", "theirs.onnx", "--as", "bare", "--json") == 0
    shown = capsys.readouterr()
    assert "--preset" in shown.err
    assert json.loads(shown.out)["preprocessing"] is None
    assert called("predict", "bare", "photo.png") == 2
    assert "must be known for pictures" in capsys.readouterr().err
    assert called("import", "theirs.onnx", "--as", "told", "--scale", "1/255") == 0
    assert "--preset" not in capsys.readouterr().err
    assert called("predict", "told", "photo.png") == 0
    assert called("import", "theirs.onnx", "--as", "odd", "--mean", "a,b") == 2
    assert "--mean must be numbers" in capsys.readouterr().err


def test_generated_code_takes_bytes_only_where_it_is_known(theirs, tmp_path):
    bare = exchange.read(theirs, engine="numpy")
    told = exchange.read(theirs, engine="numpy", preprocessing="keras-caffe")
    for name, function in (("m.c", "predict_pixels"), ("m.mjs", "predictPixels")):
        text = exchange.write(bare, tmp_path / name).read_text()
        assert function not in text
        assert function in exchange.write(told, tmp_path / name).read_text()
