"""Networks of several inputs and outputs, and shared weights, in int8."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

RANDOM = np.random.default_rng(5)
COUNT = 40
EXAMPLES = {
    "left": RANDOM.random((COUNT, 6, 5, 3), np.float32),
    "right": RANDOM.random((COUNT, 6, 5, 3), np.float32),
    "facts": RANDOM.normal(size=(COUNT, 4)).astype(np.float32),
}


@pytest.fixture(scope="module")
def model() -> pl.Model:
    """Two images through one encoder, and numbers: three outputs, one on the way."""
    inputs = [
        pl.Input(*shape, name=name)
        for name, shape in (("facts", (4,)), ("left", (6, 5, 3)), ("right", (6, 5, 3)))
    ]
    facts, left, right = inputs
    conv = pl.Conv2D(8, kernel_size=3, activation="relu", name="conv")
    pooled = [pl.GlobalAvgPool2D()(pl.MaxPool2D(2)(conv(one))) for one in (left, right)]
    x = pl.Dense(9, activation="relu", name="trunk")(pl.Concat()(*pooled, facts))
    kind = pl.Dense(3, name="kind", activation="softmax")(x)
    network = pl.Network(
        inputs=inputs, outputs=[pl.Dense(5, name="place")(x), kind, x], name="several"
    )
    return pl.Model(
        network,
        engine="numpy",
        loss={"place": "mse", "kind_softmax": "cross_entropy"},
        loss_weights={"place": 3.0},
        optimizer=pl.Adam(1e-2),
        seed=2,
    )


@pytest.fixture(scope="module")
def integers(model: pl.Model) -> tuple[np.ndarray, ...]:
    """What its integer network gives."""
    return exchange.quantize(model, EXAMPLES, engine="numpy").predict(
        tuple(EXAMPLES[name] for name in model.network.inputs)
    )


def test_the_integer_network_is_near_the_float_one(model, integers) -> None:
    given = tuple(EXAMPLES[name] for name in model.network.inputs)
    for found, wanted in zip(integers, model.predict(given), strict=True):
        assert np.abs(found - wanted).max() < 0.04 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("format", "suffix", "program"),
    [
        ("c", ".int8.c", "gcc"),
        ("native", ".int8.a", "gcc"),
        ("wasm", ".int8.wasm.mjs", "node"),
        ("onnx", ".onnx", None),
    ],
)
def test_every_int8_format_gives_all_outputs(
    model: pl.Model,
    integers: Any,
    tmp_path: Path,
    format: str,
    suffix: str,
    program: str | None,
) -> None:
    if program is not None and shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    path, name = tmp_path / f"m{suffix}", f"{format}_int8"
    if format == "onnx":
        whole, name = exchange.quantize(model, EXAMPLES, engine="numpy"), "onnx"
    else:
        whole = model
    calibration = None if format == "onnx" else EXAMPLES
    exchange.write(whole, path, format=name, calibration=calibration)
    beside = exchange.quantize(model, EXAMPLES, engine="numpy")
    report = exchange.verify_export(beside, path, EXAMPLES, format=name)
    assert report.images == COUNT
    steps = [np.ptp(np.unique(found)[:2]) for found in integers]
    assert report.difference <= 1.01 * max(steps)  # a step of an output at most


def test_a_header_says_what_each_port_means(model: pl.Model, tmp_path: Path) -> None:
    path = exchange.write(
        model, tmp_path / "net.int8.c", format="c_int8", calibration=EXAMPLES
    )
    header = path.with_suffix(".h").read_text()
    for port in ("INPUT_FACTS", "INPUT_LEFT", "INPUT_RIGHT", "OUTPUT_KIND_SOFTMAX"):
        assert f"_SCALE_{port} " in header
        assert f"_ZERO_{port} (" in header
    assert "const int8_t *input_left" in header
    assert "int8_t *output_place" in header


def test_it_trains_with_its_rounding(model: pl.Model, tmp_path: Path) -> None:
    aware = exchange.prepare_qat(model, EXAMPLES)
    names = ("place_fake_quantize", "kind_softmax")
    assert aware.network.outputs[:2] == names
    assert [term.output for term in aware.loss.terms] == list(names)
    labels = {
        "place_fake_quantize": RANDOM.random((COUNT, 5)),
        "kind_softmax": RANDOM.integers(0, 3, COUNT),
    }
    history = aware.fit((EXAMPLES, labels), epochs=3, batch_size=8, progress=False)
    assert history["loss"][-1] < history["loss"][0]
    integers = exchange.quantize(aware, engine="numpy")
    given = tuple(EXAMPLES[name] for name in model.network.inputs)
    pairs = zip(integers.predict(given), aware.predict(given), strict=True)
    for found, wanted in pairs:
        assert np.abs(found - wanted).max() < 0.03 * np.abs(wanted).max()
    path = exchange.write(aware, tmp_path / "m.int8.tflite")
    again = exchange.read(path, engine="numpy")
    for found, wanted in zip(
        again.predict(given), integers.predict(given), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)
