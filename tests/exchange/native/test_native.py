"""Libraries for other processors: linked, run where they can be, refused by name."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.cli import main
from pellucid.exchange.native.run import link, runs_here
from pellucid.exchange.native.targets import TARGETS, find_target
from pellucid.exchange.native.training import verify_training

BOARDS = ("thumbv7em", "thumbv7em-soft", "thumbv8m")
EMULATED = ("aarch64", "armv7", "riscv64", "x86-64-v3-windows", *BOARDS)
HERE = [name for name in TARGETS if runs_here(TARGETS[name])]


@pytest.fixture
def model() -> pl.Model:
    """Halos, a pool and a sum; what bytes mean is known, and how it learns."""
    image = pl.Input(8, 6, 1)
    x = pl.Conv2D(4, kernel_size=3, padding="same", activation="relu")(image)
    y = pl.Conv2D(4, kernel_size=3, padding="same", activation="sigmoid")(x)
    z = pl.MaxPool2D(2)(pl.Add()(x, y))
    network = pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(z)))
    return pl.Model(
        network,
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
        classes=("a", "b", "c"),
        seed=4,
    )


def images_of(model: pl.Model, count: int = 3) -> np.ndarray:
    shape = (count, *model.network.input_shape)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def write(model: pl.Model, folder: Path, name: str, **options: Any) -> Path:
    return exchange.write(model, folder / name, format="native", **options)


@pytest.mark.parametrize("target", [*HERE, *EMULATED])
def test_each_processor_gives_the_models_outputs(
    target: str, model: pl.Model, tmp_path: Path
) -> None:
    trains = target in ("aarch64", "thumbv7em", "x86-64-v3-windows")
    path = write(model, tmp_path, "digits.a", target=target, train=trains)
    try:
        report = exchange.verify_export(model, path, images_of(model))
    except pl.MissingExtraError as error:
        pytest.skip(str(error))
    assert report.relative < 1e-5
    if target in BOARDS:
        counted = re.search(r"([\d,]+) instructions$", report.runtime)
        count = int(counted[1].replace(",", ""))
        least = model.network.multiply_adds
        assert least < count < (500 if "soft" in target else 50) * least
    if trains:
        assert verify_training(model, path, "native", images_of(model)) < 1e-5
    name = model.network.weights[-1].name
    model.load_weights({**model.weights, name: np.array([9.0, 8.0, 7.0], np.float32)})
    assert exchange.verify_export(model, path, images_of(model)).relative > 1e-2
    if trains:
        assert verify_training(model, path, "native", images_of(model)) > 1e-2


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("aarch64-macos", "ld64.lld -arch arm64 -platform_version macos 11 11 -dylib"),
        ("aarch64-windows", "lld-link /dll /noentry /force:unresolved"),
        ("x86-64-v3-windows", "lld-link /dll /noentry /force:unresolved"),
        ("wasm32", "wasm-ld --no-entry --export=digits_predict"),
    ],
)
def test_libraries_of_other_systems_are_linked(
    target: str, command: str, model: pl.Model, tmp_path: Path
) -> None:
    linker, *options = command.split()
    linker = shutil.which(linker) or shutil.which(f"{linker}-14") or linker
    if shutil.which(linker) is None:
        pytest.skip(f"there is no {linker}")
    path = write(model, tmp_path, "digits.a", target=target)
    out = "/out:made" if "windows" in target else "-o"
    names = [out] if "windows" in target else [out, "made"]
    shown = [] if target != "aarch64-macos" else ["-undefined", "dynamic_lookup"]
    keep = {"aarch64-macos": ["-u", "_digits_predict"]}.get(target, [])
    if "windows" in target:
        keep = ["/include:digits_predict", "/export:digits_predict"]
    given = [linker, *options, *shown, *keep, str(path), *names]
    done = subprocess.run(given, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert b"digits_predict" in (tmp_path / "made").read_bytes()
    if not TARGETS[target].emulator:
        with pytest.raises(pl.MissingExtraError, match=f"{target} must be checked on"):
            exchange.verify_export(model, path, images_of(model))


def test_the_name_of_an_object_file_says_the_format(
    model: pl.Model, tmp_path: Path
) -> None:
    for name in ("digits.o", "letters.obj"):
        written = exchange.write(model, tmp_path / name, target="aarch64")
        assert written.read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("target", ["armv7", "thumbv8m"])
def test_strided_convolutions_divide_without_a_library(
    target: str, tmp_path: Path
) -> None:
    if shutil.which("nm") is None:
        pytest.skip("there is no nm")
    strided = pl.Conv2D(16, kernel_size=3, stride=2, padding=1)
    image = pl.Input(16, 16, 16)
    network = pl.Sequential(image, strided, pl.Flatten(), pl.Dense(2))
    path = write(pl.Model(network, engine="numpy"), tmp_path, "a.a", target=target)
    shown = subprocess.run(["nm", "-u", str(path)], capture_output=True, check=True)
    needed = re.findall(r"U (\w+)", shown.stdout.decode())
    assert set(needed) <= {"memset", "memcpy", "rintf"}


@pytest.mark.skipif(not HERE, reason="this machine has no target")
def test_channels_of_padding_are_zero_in_memory_that_others_used(
    tmp_path: Path,
) -> None:
    layers = pl.Dense(32), pl.PadChannels(16, 16), pl.Dense(2)
    network = pl.Sequential(pl.Input(64), *layers)
    model = pl.Model(network, engine="numpy")
    path = write(model, tmp_path, "digits.a")
    assert exchange.verify_export(model, path, images_of(model)).relative < 1e-5


@pytest.mark.parametrize("target", ["armv7", "thumbv7em"])
def test_integers_of_each_image_are_rounded_on_arm(target: str, tmp_path: Path) -> None:
    layer = pl.Hybrid(pl.Dense(4), form="symmetric")
    network = pl.Sequential(pl.Input(8), layer)
    model = pl.Model(network, engine="numpy")
    weight = np.random.default_rng(0).integers(-127, 128, (8, 4), np.int8)
    named = {"hybrid.weight": weight, "hybrid.scale": np.full(4, 0.1, np.float32)}
    model.load_weights({**model.weights, **named})
    images = np.array([[-127, 127, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5]], np.float32)
    path = write(model, tmp_path, "digits.a", target=target)
    try:
        report = exchange.verify_export(model, path, images)
    except pl.MissingExtraError as error:
        pytest.skip(str(error))
    assert report.relative < 1e-6


def test_a_board_must_have_the_memory_that_is_needed(tmp_path: Path) -> None:
    wide = pl.Sequential(pl.Input(1200, 1200, 3), pl.GlobalAvgPool2D(), pl.Dense(2))
    model = pl.Model(wide, engine="numpy")
    path = write(model, tmp_path, "wide.a", target="thumbv7em")
    with pytest.raises(
        pl.ExchangeError, match="at most 16,777,216 bytes to be checked"
    ):
        exchange.verify_export(model, path, images_of(model, 1))


@pytest.mark.skipif("x86-64" not in HERE, reason="this machine is no x86-64")
def test_a_library_of_three_levels_chooses_what_the_processor_has(
    model: pl.Model, tmp_path: Path
) -> None:
    if not shutil.which("gcc") or not shutil.which("qemu-x86_64"):
        pytest.skip("there is no gcc or no qemu-x86_64")
    path = write(model, tmp_path, "digits.a", target="x86-64", train=True)
    subprocess.run(["ar", "x", str(path), "dispatch.o"], cwd=tmp_path, check=True)
    said = '{ (void)a; (void)b; (void)c; puts("%s"); }\n'
    parameters = "(const float *a, float *b, void *c)"
    fakes = "".join(
        f"void digits_{level}_predict{parameters} {said % level}"
        f"void digits_{level}_init(void) {{}} void digits_{level}_train_step(void) {{}}"
        for level in ("v2", "v3", "v4")
    )
    main = '#include <stdio.h>\n#include "digits.h"\n%s%s'
    calls = "int main(void) { digits_predict(0, 0, 0); return 0; }\n"
    (tmp_path / "main.c").write_text(main % (fakes, calls))
    command = ["gcc", "-static", "-w", "main.c", "dispatch.o", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    for processor, level in (("Nehalem", "v2"), ("Haswell", "v3")):
        emulated = ["qemu-x86_64", "-cpu", processor, "./main"]
        done = subprocess.run(emulated, cwd=tmp_path, capture_output=True, check=True)
        assert done.stdout.decode().split() == [level]
    done = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, check=True)
    best = max(name for name in TARGETS["x86-64"].levels if name in HERE)
    assert done.stdout.decode().split() == [best.rpartition("-")[2]]
    with pytest.raises(pl.ExchangeError, match="must be a library of several object"):
        write(model, tmp_path, "digits.o", target="x86-64")


@pytest.mark.skipif(shutil.which("g++") is None or not HERE, reason="there is no g++")
def test_headers_and_example_compile_without_a_warning(
    model: pl.Model, tmp_path: Path
) -> None:
    write(model, tmp_path, "my digits.a", train=True, batch_size=4)
    strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    first = (tmp_path / "my digits_example.c").read_text()
    assert first.startswith("/* cc 'my digits_example.c' 'my digits.a' -o example */")
    command = ["gcc", "-std=c99", *strict, "my digits_example.c", "my digits.a"]
    subprocess.run([*command, "-o", "example"], cwd=tmp_path, check=True)
    said = subprocess.run(["./example"], cwd=tmp_path, capture_output=True, check=True)
    logits = model.predict(np.zeros((1, 8, 6, 1), np.float32))[0].astype(np.float64)
    expected = np.log(np.exp(logits).sum()) - logits[0]
    assert float(said.stdout.split()[1]) == pytest.approx(expected, rel=1e-5)
    (tmp_path / "main.cpp").write_text(
        '#include <cstdio>\n#include "my digits.hpp"\n'
        "static my_digits::Model model;\nint main() {\n"
        "  static float image[MY_DIGITS_INPUTS], output[MY_DIGITS_OUTPUTS];\n"
        "  static unsigned char pixels[MY_DIGITS_INPUTS];\n"
        "  std::int32_t label = 1;\n  my_digits_scale(pixels, image);\n"
        "  float loss = model.train_step(image, &label, 1, 0.001f);\n"
        "  model.predict(image, output);\n"
        '  std::printf("%d %s", loss > 0.0f && output[0] != output[1], '
        "my_digits_classes[1]);\n}\n"
    )
    command = ["g++", "-std=c++17", *strict, "main.cpp", "my digits.a", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    said = subprocess.run(["./main"], cwd=tmp_path, capture_output=True, check=True)
    assert said.stdout == b"1 b"


@pytest.mark.parametrize(
    ("target", "mark", "allowed"),
    [
        ("x86-64-v2", "", {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}),
        ("x86-64-v3-windows", "", {"memset", "memcpy"}),
        ("aarch64-windows", "", {"memset", "memcpy"}),
        ("aarch64-macos", "_", {"_bzero", "_memcpy"}),
    ],
)
def test_a_library_needs_nothing_but_memset_and_memcpy(
    target: str, mark: str, allowed: set[str], model: pl.Model, tmp_path: Path
) -> None:
    if shutil.which("llvm-nm") is None:
        pytest.skip("there is no llvm-nm")
    path = write(model, tmp_path, "digits.a", train=True, target=target)
    shown = subprocess.run(["llvm-nm", str(path)], capture_output=True, check=True)
    rows = [row.split() for row in shown.stdout.decode().splitlines() if " " in row]
    assert {row[-1] for row in rows if row[-2] == "U"} <= allowed
    names = ("init", "predict", "train_step")
    assert {row[-1] for row in rows if row[-2] == "T"} == {
        f"{mark}digits_{name}" for name in names
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "z80"}, r"target must be one of x86-64-v2, .*; got 'z80'\."),
        ({"format": "onnx", "target": "armv7"}, "must go with format native or wasm;"),
        ({"format": "onnx", "train": True}, r"train must go with .*\(native"),
        ({"train": True, "batch_size": 0}, r"batch_size must be a number from 1"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_written(
    options: dict[str, Any], message: str, model: pl.Model, tmp_path: Path
) -> None:
    given = {"format": "native", **options}
    with pytest.raises(pl.ExchangeError, match=message):
        exchange.write(model, tmp_path / "digits.a", **given)
    assert not list(tmp_path.iterdir())


def test_a_training_step_needs_loss_and_optimizer(tmp_path: Path) -> None:
    plain = pl.Model(pl.zoo("xor-two-hidden"), engine="numpy", loss=None)
    with pytest.raises(pl.ExchangeError, match="must have a loss to be exported"):
        write(plain, tmp_path, "digits.a", train=True)
    assert not list(tmp_path.iterdir())


def test_without_a_linker_it_is_said_what_to_install(
    model: pl.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(model, tmp_path, "digits.a", target="aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pl.MissingExtraError, match=r"got no such program\. Install"):
        exchange.verify_export(model, path, images_of(model))
    with pytest.raises(pl.MissingExtraError, match=r"got none\. Install lld or gcc\."):
        link(path, find_target("aarch64"))


def test_the_command_line_names_the_targets(
    model: pl.Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "digits.pellucid")
    given = [str(tmp_path / "digits.pellucid"), "--to", "native", "--target"]
    assert main(["export", *given, "z80"]) == 2
    assert "got 'z80'" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["digits.pellucid"]
    assert main(["export", *given, "aarch64-windows"]) == 0
    assert "digits.a" in capsys.readouterr().out
    if HERE and shutil.which("gcc"):
        assert main(["export", *given[:3], "--train", "--batch-size", "2"]) == 0
        said = capsys.readouterr().out
        assert re.search(r"native: [\d,]+ bytes of memory at run time", said)
        assert "native: losses of three training steps within" in said
