"""int8 in machine code: every processor gives the numpy engine's bits."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main
from pellucid.exchange.native.run import runs_here
from pellucid.exchange.native.targets import TARGETS

LEVELS = ("x86-64-v2", "x86-64-v4-vnni", "x86-64")
HERE = [name for name in LEVELS if runs_here(TARGETS[name])]
EMULATED = ("aarch64", "aarch64-dotprod", "riscv64", "thumbv7em")


@pytest.fixture(scope="module")
def model() -> pl.Model:
    """One input channel, a depthwise layer, a sum, pools, channels that are padded."""
    image = pl.Input(9, 7, 1)
    x = pl.Conv2D(6, kernel_size=(3, 2), padding="same", activation="relu")(image)
    y = pl.Conv2D(6, kernel_size=3, padding="same", groups=6, activation="relu")(x)
    y = pl.Conv2D(6, kernel_size=1)(y)
    z = pl.MaxPool2D(2)(pl.Add()(x, y))
    z = pl.AvgPool2D(2, padding="same")(z)
    z = pl.Dense(20, activation="relu")(pl.Flatten()(z))
    network = pl.Network(inputs=image, outputs=pl.Softmax()(pl.Dense(3)(z)))
    return pl.Model(network, engine="numpy", seed=4)


@pytest.fixture(scope="module")
def images(model: pl.Model) -> np.ndarray:
    shape = (12, *model.network.input_shape)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def integers(model: pl.Model, images: np.ndarray) -> pl.Model:
    return exchange.quantize(model, images, engine="numpy")


def test_a_quantized_model_has_the_bits_of_its_litert_file(
    model: pl.Model, integers: pl.Model, images: np.ndarray, tmp_path: Path
) -> None:
    path = exchange.write(model, tmp_path / "m.int8.tflite", calibration=images)
    file = exchange.read(path, engine="numpy")
    expected = integers.predict(images)
    np.testing.assert_array_equal(file.predict(images), expected)
    fast = exchange.quantize(model, images)
    np.testing.assert_array_equal(fast.predict(images), expected)
    assert np.abs(expected - model.predict(images)).max() < 0.03


@pytest.mark.parametrize("target", [*HERE, *EMULATED])
def test_every_processor_gives_the_same_bits(
    target: str,
    model: pl.Model,
    integers: pl.Model,
    images: np.ndarray,
    tmp_path: Path,
) -> None:
    path = tmp_path / "m.int8.a"
    exchange.write(model, path, calibration=images, target=target)
    try:
        report = exchange.verify_export(integers, path, images[:3])
    except pl.MissingExtraError:
        pytest.skip("no emulator or linker")
    assert report.difference == 0
    assert report.format == "native_int8"
    assert (b"m_int8_vnni_predict" in path.read_bytes()) == (target == "x86-64")


@pytest.mark.skipif(
    "x86-64-v4-vnni" not in HERE or not shutil.which("gcc"), reason="needs VNNI and gcc"
)
def test_a_library_of_levels_takes_that_with_products_of_bytes(
    integers: pl.Model, tmp_path: Path
) -> None:
    path = exchange.write(integers, tmp_path / "m.a", target="x86-64")
    run = partial(subprocess.run, cwd=tmp_path, check=True)
    run(["ar", "x", str(path), "dispatch.o"])
    fakes = "".join(
        f'void m_{level}_predict(void) {{ puts("{level}"); }}\n'
        for level in ("v2", "v3", "v4", "vnni")
    )
    main = "int main(void) { m_predict(0, 0, 0); return 0; }\n"
    declared = "#include <stdio.h>\nvoid m_predict(void *, void *, void *);\n"
    (tmp_path / "main.c").write_text(declared + fakes + main)
    run(["gcc", "main.c", "dispatch.o", "-o", "main"])
    assert run(["./main"], capture_output=True).stdout == b"vnni\n"


@pytest.mark.skipif(not shutil.which("wasm-ld"), reason="needs lld")
def test_webassembly_gives_the_same_bits(
    model: pl.Model, integers: pl.Model, images: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "m.int8.wasm.mjs"
    exchange.write(model, path, calibration=images)
    assert exchange.verify_export(integers, path, images).difference == 0


def test_an_integer_network_is_written_as_it_is(
    integers: pl.Model, images: np.ndarray, tmp_path: Path
) -> None:
    path = exchange.write(integers, tmp_path / "again.a")
    assert exchange.verify_export(integers, path, images[:3]).difference == 0
    with pytest.raises(pl.PellucidError, match="training step: networks must compute"):
        exchange.write(integers, tmp_path / "no.a", train=True)
    assert not (tmp_path / "no.a").exists()


def test_int8_trains_nothing_and_is_calibrated(
    model: pl.Model, images: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "m.int8.a"
    with pytest.raises(pl.ExchangeError, match="train must go with a format that hol"):
        exchange.write(model, path, calibration=images, train=True)
    with pytest.raises(pl.ExchangeError, match="native_int8 must be given images to c"):
        exchange.write(model, path)
    assert not list(tmp_path.iterdir())


def test_the_command_line_writes_it(
    model: pl.Model, images: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model.save(tmp_path / "m.pellucid")
    np.save(tmp_path / "images.npy", images)
    code = main(
        [
            *("export", str(tmp_path / "m.pellucid"), "--to", "native", "--int8"),
            *("--calibration", str(tmp_path / "images.npy"), "--target", "x86-64-v2"),
        ]
    )
    said = capsys.readouterr()
    assert code == 0, said.err
    assert "m.int8.a" in said.out
    assert "m_int8_predict(" in (tmp_path / "m.int8.h").read_text()
