"""MediaPipe's custom operator: a transposed convolution with a bias."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transpose_bias import as_custom

import pellucid as pl

pytest.importorskip("flatbuffers", reason="flatbuffers is not installed")
pytest.importorskip("ai_edge_litert", reason="ai-edge-litert is not installed")


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_mediapipe_s_transposed_convolution_comes_in(
    tmp_path: Path, padding: str
) -> None:
    network = pl.Sequential(
        pl.Input(4, 5, 2),
        pl.ConvTranspose2D(3, kernel_size=3, stride=2, padding=padding),
        pl.ReLU(),
    )
    weights = pl.Model(network, engine="numpy", seed=2).weights
    model = pl.Model(network, engine="numpy")
    bias = np.arange(3, dtype=np.float32)
    model.load_weights({**weights, "conv_transpose2d.bias": bias})
    path = tmp_path / "m.tflite"
    pl.exchange.write(model, path)
    path.write_bytes(as_custom(path.read_bytes()))
    theirs = pl.exchange.read(path, engine="numpy")
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 2)).astype(np.float32)
    np.testing.assert_allclose(theirs.predict(x), model.predict(x), atol=1e-6)


def test_its_options_must_be_three_numbers(tmp_path: Path) -> None:
    network = pl.Sequential(pl.Input(4, 4, 1), pl.ConvTranspose2D(1, kernel_size=2))
    path = tmp_path / "m.tflite"
    pl.exchange.write(pl.Model(network, engine="numpy"), path)
    content = as_custom(path.read_bytes())
    options = np.array([2, 1, 1], "<i4").tobytes()
    assert content.count(options) == 1
    wrong = np.array([7, 1, 1], "<i4").tobytes()
    path.write_bytes(content.replace(options, wrong))
    with pytest.raises(pl.ExchangeError, match=r"must have padding SAME or VALID"):
        pl.exchange.read(path)
