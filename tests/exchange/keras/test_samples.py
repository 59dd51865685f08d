"""The samples of Keras's own layer tests, on the numpy and the compiled engine."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import types
import unittest
from typing import Any

import numpy as np
import pytest

import pellucid as pl

keras = pytest.importorskip("keras", reason="keras is not installed")
testing = pytest.importorskip("keras.src.testing.test_case")

#: Keras's test modules of layers that are read
MODULES = (
    "activations.activation_test",
    "activations.elu_test",
    "activations.leaky_relu_test",
    "activations.prelu_test",
    "activations.relu_test",
    "activations.softmax_test",
    "convolutional.conv_test",
    "convolutional.conv_transpose_test",
    "convolutional.depthwise_conv_test",
    "convolutional.separable_conv_test",
    "core.dense_test",
    "merging.merging_test",
    "normalization.batch_normalization_test",
    "normalization.group_normalization_test",
    "normalization.layer_normalization_test",
    "pooling.average_pooling_test",
    "pooling.global_average_pooling_test",
    "pooling.global_max_pooling_test",
    "pooling.max_pooling_test",
    "reshaping.cropping1d_test",
    "reshaping.cropping2d_test",
    "reshaping.flatten_test",
    "reshaping.permute_test",
    "reshaping.repeat_vector_test",
    "reshaping.reshape_test",
    "reshaping.up_sampling1d_test",
    "reshaping.up_sampling2d_test",
    "rnn.bidirectional_test",
    "rnn.gru_test",
    "rnn.lstm_test",
    "rnn.simple_rnn_test",
)


@pytest.fixture(autouse=True)
def marks(request: pytest.FixtureRequest) -> None:
    """Let Keras's modules mark their tests as they do."""
    mark = "requires_trainable_backend: of Keras"
    request.config.addinivalue_line("markers", mark)


def shapes_of(given: dict[str, Any]) -> list[tuple[int, ...]]:
    """Return the shapes of a sample's inputs, named or those of its arrays."""
    shape, data = given.get("input_shape"), given.get("input_data")
    if shape is None and isinstance(data, np.ndarray):
        shape = data.shape
    shapes = shape if isinstance(shape, list) else [shape]
    is_known = all(
        isinstance(one, tuple) and all(isinstance(n, int) for n in one)
        for one in shapes
    )
    return shapes if is_known else []


def samples(module: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return (layer's class, arguments, shapes) of each `run_layer_test` of a module.

    Each once, and without those of 3-D tensors and of channels that come first.
    """
    found: dict[str, Any] = {}

    def record(_: Any, layer_cls: Any, init_kwargs: Any, **given: Any) -> None:
        shapes = shapes_of(given)
        is_first = init_kwargs.get("data_format") == "channels_first"
        if shapes and not is_first and max(map(len, shapes)) < 5:
            key = f"{layer_cls.__name__} {init_kwargs} {shapes}"
            found[key] = (layer_cls, init_kwargs, shapes)

    monkeypatch.setattr(testing.TestCase, "run_layer_test", record)
    # Keras's own conftest, of whose names they import one: what skips nothing here
    theirs = types.ModuleType("conftest")
    vars(theirs)["skip_if_backend"] = lambda *_: lambda test: test
    monkeypatch.setitem(sys.modules, "conftest", theirs)
    loaded = importlib.import_module(f"keras.src.layers.{module}")
    parts = re.split(r"\n    def (?=test)", inspect.getsource(loaded))[1:]
    names = [part.partition("(")[0] for part in parts if "run_layer_test" in part]
    for suite in unittest.defaultTestLoader.loadTestsFromModule(loaded):
        for case in suite:  # type: ignore[union-attr]
            if case.id().rpartition(".")[2].startswith(tuple(names)):
                case.run(unittest.TestResult())
    return list(found.values())


def build(kind: Any, arguments: Any, shapes: list[tuple[int, ...]]) -> Any:
    """Return a model of one layer; None of a sample that Keras refuses itself."""
    inputs = [keras.Input(shape[1:]) for shape in shapes]
    try:
        given = inputs if len(inputs) > 1 else inputs[0]
        return keras.Model(inputs, kind(**arguments)(given))
    except (TypeError, ValueError):
        return None


@pytest.mark.sweep(every=8)
@pytest.mark.filterwarnings("ignore")  # of Keras, about odd samples
@pytest.mark.parametrize("module", MODULES)
def test_samples_of_keras_come_in_or_are_refused_by_name(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, refused = 0, dict[str, str]()
    random = np.random.default_rng(0)
    for kind, arguments, shapes in samples(module, monkeypatch):
        network = build(kind, arguments, shapes)
        if network is None:
            continue
        x = [random.normal(size=shape).astype(np.float32) for shape in shapes]
        expected = np.asarray(network(x if len(x) > 1 else x[0]))
        for engine in ("numpy", "compiled"):
            try:
                model = pl.exchange.read(network, engine=engine)
            except pl.PellucidError as error:
                refused[f"{kind.__name__} {arguments}"] = str(error)
                continue
            found = model.predict(tuple(x) if len(x) > 1 else x[0])
            scale = np.abs(expected).max() + 1e-3
            assert np.abs(found - expected).max() / scale < 1e-5, (arguments, engine)
            passed += 1
    wrong = [said for said in refused.values() if "Please report" in said]
    assert not wrong
    assert passed, refused
