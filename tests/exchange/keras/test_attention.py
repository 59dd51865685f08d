"""Attention and products of Keras: read with Keras' own outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

keras = pytest.importorskip("keras")
layers = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def reader() -> Any:
    """A model with each of them, inputs and what it gives."""
    x, z = keras.Input((5, 6)), keras.Input((4, 6))
    y = layers.MultiHeadAttention(2, 3, dropout=0.1)(x, x)
    y = layers.MultiHeadAttention(2, 3, value_dim=4, use_bias=False, output_shape=7)(
        y, value=z, use_causal_mask=True
    )
    scores = layers.Softmax()(layers.Dot((2, 2))([x, z]))
    ends = [
        y,
        keras.ops.matmul(scores, z),
        layers.Attention()([x, z]),
        keras.ops.einsum("bte,bse->bts", x, z),
        layers.EinsumDense("...x,xy->...y", output_shape=7, bias_axes="y")(x),
        layers.Dot(1)([layers.Flatten()(x), layers.Flatten()(x)]),
    ]
    model = keras.Model([x, z], ends)
    random = np.random.default_rng(3)
    model.set_weights([random.normal(0, 0.5, w.shape) for w in model.get_weights()])
    given = [random.normal(size=(3, n, 6)).astype(np.float32) for n in (5, 4)]
    return model, given, [np.asarray(end) for end in model(given)]


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_attention_gives_what_keras_gives(
    ending: str, reader: Any, tmp_path: Path
) -> None:
    model, given, expected = reader
    path = tmp_path / f"model.{ending}"
    model.save(path)
    back = exchange.read(path, engine="numpy")
    for got, wanted in zip(back.predict(tuple(given)), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


def test_a_mask_that_is_a_value_is_refused(tmp_path: Path) -> None:
    x, mask = keras.Input((5, 6)), keras.Input((5, 5))
    y = layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask)
    keras.Model([x, mask], y).save(tmp_path / "model.keras")
    with pytest.raises(pl.ExchangeError, match="have no attention_mask"):
        exchange.read(tmp_path / "model.keras")
