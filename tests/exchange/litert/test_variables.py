"""Files that keep values from call to call, as streaming networks do."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl

tf = pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed")


class Stream(tf.Module):
    """A dense layer over the latest three frames, two of which it remembers."""

    def __init__(self, first: float = 0.0) -> None:
        super().__init__()
        self.past = tf.Variable(tf.fill((1, 2, 3), first))
        random = np.random.default_rng(0)
        self.weight = tf.constant(random.normal(size=(9, 4)), tf.float32)

    @tf.function(input_signature=[tf.TensorSpec((1, 1, 3))])
    def step(self, x):
        window = tf.concat([self.past, x], 1)
        self.past.assign(window[:, 1:])
        return tf.nn.relu(tf.reshape(window, (1, 9)) @ self.weight)


def write(module, path):
    function = module.step.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    converter.experimental_enable_resource_variables = True
    path.write_bytes(converter.convert())
    return path


def test_what_a_file_remembers_is_an_input_and_an_output(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    path = write(Stream(), tmp_path / "m.tflite")
    model = pl.exchange.read(path, engine="numpy")
    assert len(model.network.inputs) == len(model.network.outputs) == 2
    runtime = Interpreter(str(path))
    runtime.allocate_tensors()
    (entry,), (end,) = runtime.get_input_details(), runtime.get_output_details()
    state = np.zeros((1, 2, 3), np.float32)
    for x in np.random.default_rng(1).normal(size=(5, 1, 1, 3)).astype(np.float32):
        runtime.set_tensor(entry["index"], x)
        runtime.invoke()
        made, state = model.predict((x, state))
        expected = runtime.get_tensor(end["index"])
        np.testing.assert_allclose(made, expected, atol=1e-6)


def test_what_does_not_begin_with_zeros_is_refused(tmp_path):
    path = write(Stream(first=1.0), tmp_path / "m.tflite")
    with pytest.raises(pl.ExchangeError, match="must begin with zeros"):
        pl.exchange.read(path, engine="numpy")
