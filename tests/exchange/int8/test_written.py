"""Integer networks written back: LiteRT's file has their bits, ONNX's their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 6, 6, 3), np.uint8)


@pytest.fixture(scope="module")
def integers() -> pl.Model:
    """An integer network of most layers that there are, with LiteRT's rounding."""
    image = pl.Input(6, 6, 3)
    x = pl.Conv2D(8, kernel_size=3, padding="same", activation="relu6")(image)
    y = pl.LeakyReLU()(pl.Conv2D(8, kernel_size=3, groups=8, padding="same")(x))
    x = pl.MaxPool2D(3, stride=2, padding="same")(pl.Add()(x, y))
    x = pl.ConvTranspose2D(4, kernel_size=2, stride=2)(x)
    x = pl.Sigmoid()(pl.Dense(6)(pl.Flatten()(x)))
    network = pl.Network(inputs=image, outputs=pl.Softmax()(pl.Dense(4)(x)))
    model = pl.Model(network, engine="numpy", preprocessing=pl.Preprocessing.unit())
    return exchange.quantize(model, IMAGES, engine="numpy")


def test_litert_computes_the_same_bits(integers: pl.Model, tmp_path: Any) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    path = exchange.write(integers, tmp_path / "a.tflite")
    assert path.stat().st_size < 16_000
    back = exchange.read(path, engine="numpy")  # proven in LiteRT's reference kernels
    for name, array in integers.weights.items():
        np.testing.assert_array_equal(back.weights[name], array, err_msg=name)
    np.testing.assert_array_equal(back.predict(IMAGES), integers.predict(IMAGES))
    again = exchange.write(back, tmp_path / "b.tflite")
    np.testing.assert_array_equal(
        exchange.read(again, engine="numpy").predict(IMAGES), back.predict(IMAGES)
    )


def test_what_is_joined_is_brought_to_one_scale_again(tmp_path: Any) -> None:
    pytest.importorskip("ai_edge_litert.interpreter")
    image = pl.Input(6, 6, 3)
    x = pl.Conv2D(2, kernel_size=1)(image)
    x = pl.Upsample2D(2, mode="bilinear")(pl.Concat()(x, pl.Sigmoid()(x), image))
    network = pl.Network(inputs=image, outputs=x)
    model = pl.Model(network, engine="numpy", preprocessing=pl.Preprocessing.unit())
    integers = exchange.quantize(model, IMAGES, engine="numpy")
    kinds = [
        type(node.layer.operation).__name__
        for node in integers.network.nodes
        if isinstance(node.layer, pl.Quantized)
    ]
    assert "Rescale" in kinds
    path = exchange.write(integers, tmp_path / "a.tflite")
    back = exchange.read(path, engine="numpy")  # proven in LiteRT's reference kernels
    np.testing.assert_array_equal(back.predict(IMAGES), integers.predict(IMAGES))


@pytest.mark.parametrize("gate_of", [pl.Sigmoid, pl.HardSigmoid])
def test_a_factor_of_each_channel_is_none_of_each_example(
    gate_of: type[pl.Layer], tmp_path: Any
) -> None:
    image = pl.Input(6, 6, 3)
    gate = gate_of()(pl.Dense(3)(pl.GlobalAvgPool2D()(image)))
    network = pl.Network(inputs=image, outputs=pl.Multiply()(image, gate))
    model = pl.Model(network, engine="numpy", preprocessing=pl.Preprocessing.unit())
    on_numpy, compiled = (
        exchange.quantize(model, IMAGES, engine=engine).predict(IMAGES[:6])
        for engine in ("numpy", "compiled")
    )  # as many examples as columns
    np.testing.assert_array_equal(on_numpy, compiled)
    assert np.abs(on_numpy - model.predict(IMAGES[:6])).max() < 0.02
    pytest.importorskip("ai_edge_litert.interpreter")
    path = exchange.write(model, tmp_path / "a.int8.tflite", calibration=IMAGES)
    back = exchange.read(path, engine="numpy")  # proven in LiteRT's reference kernels
    np.testing.assert_array_equal(back.predict(IMAGES[:6]), on_numpy)


def test_onnx_computes_it_within_a_step(integers: pl.Model, tmp_path: Any) -> None:
    pytest.importorskip("onnxruntime")
    path = exchange.write(integers, tmp_path / "a.onnx")
    found = exchange.verify_export(integers, path, IMAGES)
    assert found.difference <= 1.01 / 256
    back = exchange.read(path, engine="numpy")
    kinds = [type(node.layer).__name__ for node in back.network.nodes]
    assert kinds.count("Quantized") == 9
    assert np.abs(back.predict(IMAGES) - integers.predict(IMAGES)).max() <= 1.01 / 256
    again = exchange.write(back, tmp_path / "b.onnx")
    np.testing.assert_array_equal(
        exchange.read(again, engine="numpy").predict(IMAGES), back.predict(IMAGES)
    )
    with pytest.raises(pl.ExchangeError, match="write it as ONNX"):
        exchange.write(back, tmp_path / "c.tflite")
    assert not (tmp_path / "c.tflite").exists()


def test_integers_beside_floats_go_to_onnx_alone(tmp_path: Any) -> None:
    step = pl.Quantization(0.1, 3, "uint8")
    image = pl.Input(4)
    x = pl.Quantize(step, rounding="even")(pl.Tanh()(image))
    model = pl.Model(
        pl.Network(inputs=image, outputs=pl.Softmax()(pl.Dequantize(step)(x))),
        engine="numpy",
    )
    with pytest.raises(pl.ExchangeError, match="floats must be the inputs alone"):
        exchange.write(model, tmp_path / "a.tflite")
    pytest.importorskip("onnxruntime")
    path = exchange.write(model, tmp_path / "a.onnx")
    x = np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
    assert exchange.verify_export(model, path, x).difference < 1e-6


def test_the_command_says_that_it_is_int8_already(
    integers: pl.Model,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    integers.save("a.pellucid")
    assert main(["export", "a.pellucid", "--to", "tflite", "--int8"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "Export it to tflite as it is, without int8." in said
