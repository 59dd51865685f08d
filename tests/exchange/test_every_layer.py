"""Every layer in every format and script: written or refused by name; no crash."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from network.test_python_source import layers

import pellucid as pl
from pellucid import code, recipes
from pellucid.exchange.api import contents_of
from pellucid.exchange.formats import FORMATS

#: written without a framework, which would take seconds
WRITTEN = {
    "c": "m.c",
    "c_int8": "m.c",
    "javascript": "m.mjs",
    "keras": "m.keras",
    "npz": "m.npz",
    "onnx": "m.onnx",
    "safetensors": "m.safetensors",
    "tfjs": "m.tfjs",
    "tflite": "m.tflite",
    "tflite_int8": "m.tflite",
}
SHAPES = ((12, 8, 32), (8, 32), (32,))


def one_of_each() -> list[pl.Layer]:
    """Return a layer of each class."""
    found: dict[type, pl.Layer] = {}
    for layer in layers():
        found.setdefault(type(layer), layer)
    return list(found.values())


def model_of(layer: pl.Layer, shape: tuple[int, ...]) -> pl.Model | None:
    """Return a network that ends in a layer; None where it takes no such value."""
    try:
        image = pl.Input(*shape)
        values = [pl.Tanh()(image) for _ in range(max(layer.arity[0], 1))]
        end = dataclasses.replace(layer)(*values)
        return pl.Model(pl.Network(inputs=image, outputs=end), engine="numpy", seed=0)
    except pl.NetworkError:
        return None


@pytest.mark.parametrize("layer", one_of_each(), ids=lambda layer: type(layer).__name__)
def test_each_format_writes_a_layer_or_refuses_it_by_name(layer):
    for shape in SHAPES:
        model = model_of(layer, shape)
        if model is None:
            continue
        images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        for name, file in WRITTEN.items():
            entry = FORMATS[name]
            given = images if entry.is_calibrated else None
            try:
                contents = contents_of(model, entry, file, calibration=given)
            except pl.PellucidError as error:
                assert "must" in str(error)  # noqa: PT017 - any other kind is a crash
                assert "got" in str(error)  # noqa: PT017
            else:
                assert contents[min(contents)]


@pytest.mark.parametrize("framework", code.FRAMEWORKS)
def test_each_script_has_a_layer_or_refuses_it_by_name(framework):
    recipe, written = recipes.read("mnist-torch"), 0
    for layer in one_of_each():
        image = pl.Input(28, 28, 1)
        x = pl.Conv2D(32, 1)(image)
        try:
            x = dataclasses.replace(layer)(*[x] * max(layer.arity[0], 1))
            network = pl.Network(inputs=image, outputs=pl.Dense(10)(pl.Flatten()(x)))
            code.write_script(network, framework, recipe=recipe, data="mnist")
            written += 1
        except pl.PellucidError as error:
            assert "must" in str(error)  # noqa: PT017 - any other kind is a crash
            assert "got" in str(error)  # noqa: PT017
    assert written > 30
