"""Attention weights are those that the arithmetic gives, and lie where patches do."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import explain


def transformer(*, token: bool = True) -> pl.Model:
    image = pl.Input(6, 4, 3)
    x = pl.Reshape((-1, 4))(pl.Conv2D(4, kernel_size=2, stride=2)(image))
    if token:
        x = pl.Concat(axis=0)(pl.Parameter((1, 4), pl.Normal(0.5))(image), x)
    x = pl.MultiHeadAttention(2, dropout=0.1, name="mix")(x)
    end = pl.Dense(3)(pl.Flatten()(x))
    network = pl.Network(inputs=image, outputs=end, name="small")
    return pl.Model(network, engine="numpy", seed=3)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(6, 4, 3)).astype("f")


def test_weights_are_the_softmax_of_the_scaled_products(image):
    model = transformer()
    (found,) = explain.attention(model, image)
    qkv = model.activations(image[None])["mix_qkv"][0].reshape(7, 3, 2, 2)
    scores = np.einsum("thd,shd->hts", qkv[:, 0], qkv[:, 1]) / np.sqrt(2)
    expected = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.weights, expected, atol=1e-6)
    assert found.node == "attention_softmax"


def test_the_map_leaves_the_class_token_out(image):
    (found,) = explain.attention(transformer(), image)
    assert found.grid == (3, 2)
    row = found.weights[1, 4]
    np.testing.assert_array_equal(found.map(4, head=1).ravel(), row[1:])
    np.testing.assert_allclose(
        found.map().sum(), 1 - found.weights[:, 0, 0].mean(), rtol=1e-6
    )


def test_without_a_class_token_a_map_adds_up_to_one(image):
    (found,) = explain.attention(transformer(token=False), image)
    np.testing.assert_allclose(found.map(2).sum(), 1, rtol=1e-6)


def test_what_is_not_there_is_said(image):
    (found,) = explain.attention(transformer(), image)
    with pytest.raises(pl.NetworkError, match=r"head in 0 … 1; got token=0, head=2"):
        found.map(head=2)
    model = pl.Model(pl.Sequential(pl.Input(2), pl.Softmax()), engine="numpy")
    with pytest.raises(pl.NetworkError, match="must hold attention"):
        explain.attention(model, np.zeros(2))
    tokens = pl.Input(5, 4)
    network = pl.Network(inputs=tokens, outputs=pl.MultiHeadAttention(2)(tokens))
    (alone,) = explain.attention(pl.Model(network, engine="numpy"), np.zeros((5, 4)))
    with pytest.raises(pl.NetworkError, match="must be patches of an image"):
        alone.map()
