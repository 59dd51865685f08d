"""The zoo's networks in formats that need no framework: there and back, or refused."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl

pytest.importorskip("onnx", reason="onnx is not installed")

#: name → how large its images are here; None is their own size
NETWORKS: dict[str, tuple[int, int] | None] = {
    "densenet121": (32, 32),
    "ds-cnn": None,
    "lenet5": None,
    "mnist-fast": None,
    "mnist-torch": None,
    "mobilenet-v1": (32, 32),
    "mobilenet-v3-small": (32, 32),
    "resnet18": (32, 32),
    "resnet20": None,
    "resnet8": None,
    "squeezenet": (32, 32),
    "xor-two-hidden": None,
}
FILES = ("m.npz", "m.onnx", "m.safetensors", "m.tfjs", "m.tflite")


@pytest.mark.sweep(every=4)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_written_and_read_or_refused_by_name(name, tmp_path):
    size = NETWORKS[name]
    network = pl.zoo(name) if size is None else pl.zoo(name, input_size=size)
    model = pl.Model(network, engine="numpy", seed=0)
    images = np.random.default_rng(0).normal(size=(2, *network.input_shape))
    outputs, written = model.predict(images.astype(np.float32)), 0
    for file in FILES:
        path = tmp_path / file
        try:
            pl.exchange.write(model, path)
        except pl.ExchangeError as error:
            assert any(node.name in str(error) for node in network.nodes)  # noqa: PT017
            assert not path.exists()
            continue
        back = pl.exchange.read(path, engine="numpy")
        found = back.predict(images.astype(np.float32))
        assert np.abs(found - outputs).max() <= 1e-4 * np.abs(outputs).max()
        written += 1
    assert written >= 3
