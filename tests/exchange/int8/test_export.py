"""Int8 exports as people make them: files, accuracy, sizes, refusals."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main

PATHS = ["model.int8.tflite", "model.int8.c"]


@pytest.fixture(scope="module")
def trained():
    """A small network that knows MNIST's digits, and the two splits."""
    train, test = pl.data.load("mnist")
    network = pl.Sequential(
        pl.Input(28, 28, 1),
        pl.Conv2D(8, kernel_size=3, padding=1, activation="relu"),
        pl.MaxPool2D(2),
        pl.Conv2D(16, kernel_size=3, bias=False),
        pl.BatchNorm(),
        pl.ReLU(),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(10),
        preprocessing=pl.Preprocessing.signed(),
    )
    model = pl.Model(network, loss="cross_entropy", optimizer=pl.Adam(2e-3), seed=0)
    model.fit((train.images[:6000], train.labels[:6000]), epochs=2, batch_size=64)
    return model, train, test


@pytest.mark.parametrize("name", PATHS)
def test_accuracy_on_mnist_falls_by_less_than_a_third_of_a_point(
    name, trained, tmp_path
):
    if name.endswith(".c") and shutil.which("gcc") is None:
        pytest.skip("there is no C compiler")
    if name.endswith(".tflite"):
        pytest.importorskip("ai_edge_litert.interpreter")
    model, train, test = trained
    path = exchange.write(model, tmp_path / name, calibration=train.images[:200])
    found = exchange.accuracy(model, path, test.images, test.labels)
    assert found.images == len(test.images)
    assert found.before > 0.9
    assert found.before - found.after <= 0.003
    proof = exchange.verify_export(model, path, test.images[:8])
    assert 0 < proof.relative < 0.1


def test_constants_of_mnist_torch_take_a_quarter(tmp_path, model_of):
    if shutil.which("gcc") is None or shutil.which("size") is None:
        pytest.skip("there is no C compiler")
    model = model_of(pl.zoo("mnist-torch"))
    images = np.random.default_rng(0).normal(size=(2, 28, 28, 1)).astype(np.float32)
    sizes = {}
    for name in ("model.c", "model.int8.c"):
        path = exchange.write(model, tmp_path / name, calibration=images)
        compiled = tmp_path / "model.o"
        subprocess.run(["gcc", "-O1", "-c", path, "-o", compiled], check=True)
        shown = subprocess.run(["size", "-A", compiled], capture_output=True, text=True)
        rows = [line.split() for line in shown.stdout.splitlines()]
        sizes[name] = sum(int(r[1]) for r in rows if r and r[0].startswith(".rodata"))
    assert sizes["model.int8.c"] <= sizes["model.c"] / 4 + 16 * 1024


def test_bytes_of_a_picture_are_scaled_as_in_training(small_model, tmp_path):
    if shutil.which("gcc") is None:
        pytest.skip("there is no C compiler")
    pixels = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 1), np.uint8)
    exchange.write(small_model, tmp_path / "a.int8.c", calibration=pixels)
    numbers = ", ".join(map(str, pixels.ravel()))
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "a.int8.h"\n'
        f"static const unsigned char pixels[] = {{{numbers}}};\n"
        "static int8_t output[A_INT8_OUTPUTS], workspace[A_INT8_WORKSPACE];\n"
        "int main(void) { int i; a_int8_predict_pixels(pixels, output, workspace);\n"
        'for (i = 0; i < A_INT8_OUTPUTS; i++) printf("%g\\n", A_INT8_OUTPUT_SCALE *\n'
        "(output[i] - A_INT8_OUTPUT_ZERO)); puts(a_int8_classes[1]); return 0; }\n"
    )
    program = tmp_path / "program"
    files = [tmp_path / "a.int8.c", tmp_path / "main.c"]
    subprocess.run(["gcc", "-std=c99", "-Wall", *files, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    *shown, name = done.stdout.split()
    expected = small_model.predict(pixels)[0]
    assert (
        np.abs(np.asarray(shown, float) - expected).max() < 0.05 * abs(expected).max()
    )
    assert name == "b"


# -- the command, and what is refused ------------------------------------------------


def called(*arguments: str) -> int:
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as error:
        return int(error.code or 0)


def test_export_prints_accuracy_before_and_after(
    trained, tmp_path, monkeypatch, capsys
):
    pytest.importorskip("ai_edge_litert.interpreter")
    monkeypatch.chdir(tmp_path)
    trained[0].save("digits.pellucid")
    command = ["export", "digits.pellucid", "--to", "tflite", "--int8"]
    command += ["--data", "mnist"]
    assert called(*command) == 0
    shown = capsys.readouterr().out
    assert "digits.int8.tflite" in shown
    assert "tflite_int8: test accuracy 9" in shown
    assert called(*command, "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["exports"]
    assert row["accuracy_before"] - row["accuracy"] <= 0.003
    assert row["size_bytes"] > 0
    assert row["latency_s"] > 0


def test_export_refuses_int8_of_a_format_without_it(
    small_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    small_model.save("small.pellucid")
    assert called("export", "small.pellucid", "--to", "onnx", "--int8") == 2
    said = "must be one with an int8 form (tflite, c, native, wasm); got"
    assert said in capsys.readouterr().err


def test_export_refuses_to_calibrate_on_noise(
    small_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    small_model.save("small.pellucid")
    assert called("export", "small.pellucid", "--to", "tflite", "--int8") == 2
    assert "Name them with --data" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.tflite"))


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (None, "must be given images to calibrate on; got none"),
        (np.zeros((0, 6, 6, 1)), r"calibration must be images of shape \(N, 6, 6, 1\)"),
        (np.zeros((3, 5, 6, 1)), r"one at least; got shape=\(3, 5, 6, 1\)"),
        (np.full((3, 6, 6, 1), np.nan), "activations must be finite"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    name, images, sentence, small_model, tmp_path
):
    with pytest.raises(pl.ExchangeError, match=sentence):
        exchange.write(small_model, tmp_path / name, calibration=images)
    assert not list(tmp_path.iterdir())


def test_int8_files_come_back_with_their_bits(small_model, images_of, tmp_path):
    pytest.importorskip(
        "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
    )
    images = images_of(small_model)
    path = exchange.write(
        small_model, tmp_path / "model.int8.tflite", calibration=images
    )
    model = exchange.read(path, engine="numpy")
    report = exchange.verify_export(model, path, images, format="tflite")
    assert report.difference == 0


def test_several_inputs_and_outputs_are_quantized(tmp_path: Path) -> None:
    """Its own network and LiteRT give one number; a shared layer has one scale each."""
    from oracles.several_ports import images_for, siamese, two_branches

    pytest.importorskip("ai_edge_litert")
    for make in (two_branches, siamese):
        model = pl.Model(make(), engine="numpy", seed=3)
        images = images_for(model.network, 24)
        path = tmp_path / "m.int8.tflite"
        pl.exchange.write(model, path, calibration=images)
        report = pl.exchange.verify_export(model, path, images)
        assert report.relative < 0.1
        integer = pl.exchange.quantize(model, images, engine="numpy")
        assert integer.network.inputs == model.network.inputs
        assert pl.exchange.verify_export(integer, path, images).relative == 0
    with pytest.raises(pl.DataError, match="must be a tuple or dict of 2 arrays"):
        pl.exchange.quantize(model, images[0])
