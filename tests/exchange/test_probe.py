"""The probe of imports: wrong numbers are refused, rounding is not."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import probe, runtime


@pytest.fixture
def file(small_model):
    return small_model.file()


def expected_of(model):
    x = probe.draw((2, *model.network.input_shape))
    return x, model.predict(x)


def test_equal_outputs_pass(small_model, file):
    x, y = expected_of(small_model)
    probe.check(file, x, y, reference="itself")
    probe.check(file, x, y * (1 + 1e-6), reference="itself")


def test_one_other_output_is_refused_with_its_size(small_model, file):
    x, y = expected_of(small_model)
    y[1, 2] += 0.01 * np.abs(y).max()
    with pytest.raises(
        pl.ExchangeError,
        match=r"must give the outputs of its file in ONNX; got a difference of .*\.",
    ):
        probe.check(file, x, y, reference="ONNX")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_where_it_is_not_expected(
    value, small_model, file
):
    x, y = expected_of(small_model)
    y[0, 0] = value
    with pytest.raises(pl.ExchangeError, match="finite number in one place alone"):
        probe.check(file, x, y, reference="ONNX")


def test_another_shape_is_refused(small_model, file):
    x, y = expected_of(small_model)
    with pytest.raises(pl.ExchangeError, match="got outputs of shape"):
        probe.check(file, x, y[:, :1], reference="ONNX")


def test_what_float32_loses_is_no_error():
    """A layer norm of almost equal numbers: float32 has a few digits of it."""
    network = pl.Sequential(pl.Input(3), pl.LayerNorm(epsilon=1e-12))
    x = (1000 + np.array([[0.0, 1e-3, 3e-3]])).astype(np.float32)
    exact = pl.Model(network, engine="numpy", dtype="float64").predict(x)
    model = pl.Model(network, engine="numpy")
    lost = np.abs(model.predict(x) - exact).max()
    assert lost > 1e-4 * np.abs(exact).max()
    probe.check(model.file(), x, exact.astype(np.float32), reference="itself")


@pytest.mark.parametrize("name", ["onnx", "tflite"])
def test_a_reader_that_errs_is_caught(name, small_model, tmp_path, monkeypatch):
    """Whatever is wrong with a reader: the file's own runtime says it."""
    if name == "tflite" and not runtime.is_installed(name):
        pytest.skip("LiteRT is not installed")
    path = exchange.write(
        small_model, tmp_path / f"m{exchange.FORMATS[name].suffix}", format=name
    )
    assert exchange.read(path, engine="numpy").network.nodes
    module = sys.modules[exchange.FORMATS[name].load().read.__module__]
    owner = getattr(module, {"onnx": "Graph", "tflite": "_Reading"}[name])
    original = owner.file

    def wrong(self, *arguments):
        file = original(self, *arguments)
        weights = dict(file.weights)
        weights["dense.bias"] = weights["dense.bias"] + np.float32([0, 0, 1])
        return dataclasses.replace(file, weights=weights)

    monkeypatch.setattr(owner, "file", wrong)
    with pytest.raises(pl.ExchangeError, match="must give the outputs of its file"):
        exchange.read(path, engine="numpy")


def test_a_file_that_crashes_its_runtime_crashes_nothing_else():
    assert runtime.run("onnx", b"not a model", np.zeros((1, 3), np.float32)) is None


def test_a_runtime_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(runtime, "_TIME_LIMIT_S", 0.01)
    assert runtime.run("onnx", b"", np.zeros((1, 3), np.float32)) is None
