"""Networks of several inputs and outputs and shared weights: written or refused."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import (
    detector,
    images_for,
    on_the_way,
    siamese,
    triplet,
    two_branches,
)

import pellucid as pl
from pellucid.errors import PellucidError
from pellucid.exchange.formats import FORMATS

WRITTEN = [entry for entry in FORMATS.values() if entry.is_written]


def siamese_of_one_input() -> pl.Network:
    """One image through one layer twice."""
    image, dense = pl.Input(4), pl.Dense(4, activation="tanh")
    return pl.Network(inputs=image, outputs=dense(dense(image)))


def model_of(network: pl.Network) -> pl.Model:
    return pl.Model(network, engine="numpy", seed=2)


@pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry.name)
@pytest.mark.parametrize(
    ("make", "attribute", "message"),
    [
        (detector, "holds_several", "one output; got 2: kind_softmax, box"),
        (siamese, "holds_several", "one input; got 2: left, right"),
        (
            siamese_of_one_input,
            "holds_shared",
            "weights of their own; got 'dense_1' with those of 'dense'",
        ),
    ],
)
def test_a_format_that_cannot_hold_it_says_so_and_writes_nothing(
    tmp_path: Path,
    entry: Any,
    make: Callable[[], pl.Network],
    attribute: str,
    message: str,
) -> None:
    if getattr(entry, attribute):
        pytest.skip("it can")
    target = tmp_path / f"m{entry.suffix}"
    with pytest.raises(PellucidError, match=f"export: {entry.name}: .*{message}"):
        pl.exchange.write(model_of(make()), target, format=entry.name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx", ".tflite"])
@pytest.mark.parametrize("make", [detector, siamese, on_the_way, siamese_of_one_input])
def test_what_is_written_comes_back(
    tmp_path: Path, make: Callable[[], pl.Network], suffix: str
) -> None:
    model = model_of(make())
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    again = pl.exchange.read(path, engine="numpy")
    assert again.network.inputs == model.network.inputs
    assert list(again.network.shared) == list(model.network.shared)
    images = images_for(model.network)
    for ours, theirs in zip(
        as_list(model.predict(images)), as_list(again.predict(images)), strict=True
    ):
        np.testing.assert_allclose(theirs, ours, rtol=1e-5, atol=1e-7)


def as_list(output: Any) -> list[np.ndarray]:
    return list(output) if isinstance(output, tuple) else [output]


@pytest.mark.parametrize(
    ("suffix", "runtime"), [(".onnx", "onnxruntime"), (".tflite", "ai_edge_litert")]
)
@pytest.mark.parametrize("make", [two_branches, detector, on_the_way, siamese, triplet])
def test_the_files_own_runtime_gives_every_output(
    tmp_path: Path, make: Callable[[], pl.Network], suffix: str, runtime: str
) -> None:
    pytest.importorskip(runtime)
    model = model_of(make())
    path = pl.exchange.write(model, tmp_path / f"m{suffix}")
    report = pl.exchange.verify_export(model, path, images_for(model.network, 5))
    assert report.relative < 1e-5
    wrong = model_of(make())
    name = wrong.network.weights[-1].name
    wrong.load_weights(
        {**wrong.weights, name: 10 + np.arange(wrong.weights[name].size)}
    )
    report = pl.exchange.verify_export(wrong, path, images_for(model.network, 5))
    assert report.relative > 1e-2


def test_the_probe_of_an_import_compares_every_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = importlib.import_module("pellucid.exchange.onnx.read")
    model = model_of(detector())
    path = pl.exchange.write(model, tmp_path / "m.onnx")
    right = reader.Graph.file

    def wrong(self: Any, name: str) -> Any:
        file = right(self, name)
        bias = file.weights["box.bias"] + 1  # only the second output is wrong
        return dataclasses.replace(file, weights={**file.weights, "box.bias": bias})

    monkeypatch.setattr(reader.Graph, "file", wrong)
    with pytest.raises(pl.ExchangeError, match="at output 'box"):
        pl.exchange.read(path, engine="numpy")


def test_inputs_of_a_file_must_be_of_known_sizes(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = model_of(siamese())
    path = pl.exchange.write(model, tmp_path / "m.onnx")
    proto = onnx.load(path)
    proto.graph.input[1].type.tensor_type.shape.dim[2].dim_param = "h"
    onnx.save(proto, path)
    with pytest.raises(pl.ExchangeError, match="right"):
        pl.exchange.read(path)
    with pytest.raises(pl.ExchangeError, match="input_shape must be given for a file"):
        pl.exchange.read(path, input_shape=(6, 6, 2))


@pytest.mark.parametrize(
    "entry",
    [e for e in WRITTEN if e.holds_shared and not e.holds_several],
    ids=lambda entry: entry.name,
)
def test_a_file_with_shared_weights_gives_the_same(tmp_path: Path, entry: Any) -> None:
    model = model_of(siamese_of_one_input())
    path = pl.exchange.write(model, tmp_path / f"m{entry.suffix}", format=entry.name)
    images = np.random.default_rng(0).random((5, 4), np.float32)
    try:
        report = pl.exchange.verify_export(model, path, images)
    except pl.MissingExtraError as error:
        pytest.skip(str(error))
    assert report.relative < 1e-5
