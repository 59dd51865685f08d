"""The samples of Keras's own layer tests, on the numpy and the compiled engine."""

from __future__ import annotations

import importlib
import inspect
import re
import unittest
from typing import Any

import numpy as np
import pytest

import pellucid as pl

keras = pytest.importorskip("keras", reason="keras is not installed")
testing = pytest.importorskip("keras.src.testing.test_case")

#: Keras's test modules of layers that are read, whose samples are single batches
MODULES = (
    "activations.elu_test",
    "activations.leaky_relu_test",
    "activations.prelu_test",
    "activations.softmax_test",
    "convolutional.conv_transpose_test",
    "convolutional.depthwise_conv_test",
    "normalization.group_normalization_test",
    "normalization.layer_normalization_test",
    "pooling.average_pooling_test",
    "pooling.global_average_pooling_test",
    "pooling.global_max_pooling_test",
    "pooling.max_pooling_test",
    "reshaping.up_sampling2d_test",
    "rnn.lstm_test",
)


def samples(module: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return (layer's class, arguments, shape) of each `run_layer_test` of a module."""
    found: list[Any] = []

    def record(_: Any, layer_cls: Any, init_kwargs: Any, **given: Any) -> None:
        shape = given.get("input_shape")
        if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape):
            found.append((layer_cls, init_kwargs, shape))

    monkeypatch.setattr(testing.TestCase, "run_layer_test", record)
    loaded = importlib.import_module(f"keras.src.layers.{module}")
    parts = re.split(r"\n    def (?=test)", inspect.getsource(loaded))[1:]
    names = [part.partition("(")[0] for part in parts if "run_layer_test" in part]
    for suite in unittest.defaultTestLoader.loadTestsFromModule(loaded):
        for case in suite:  # type: ignore[union-attr]
            if case.id().rpartition(".")[2].startswith(tuple(names)):
                case.run(unittest.TestResult())
    return found


@pytest.mark.sweep(every=6)
@pytest.mark.filterwarnings("ignore")  # of Keras, about odd samples
@pytest.mark.parametrize("module", MODULES)
def test_samples_of_keras_come_in_or_are_refused_by_name(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A layer of another data_format, or of three dimensions and no batch, is not."""
    passed, random = 0, np.random.default_rng(0)
    for kind, arguments, shape in samples(module, monkeypatch):
        try:
            layer = kind(**arguments)
            network = keras.Sequential([keras.Input(shape[1:]), layer])
        except (TypeError, ValueError):  # a sample of what Keras refuses itself
            continue
        x = random.normal(size=shape).astype(np.float32)
        expected = np.asarray(network(x))
        for engine in ("numpy", "compiled"):
            try:
                model = pl.exchange.read(network, engine=engine)
            except pl.PellucidError:
                continue
            found = model.predict(x)
            scale = np.abs(expected).max() + 1e-3
            assert np.abs(found - expected).max() / scale < 1e-5, (arguments, engine)
            passed += 1
    assert passed
