"""Multi-head attention: PyTorch's numbers, its nodes, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.network.composites import MultiHeadAttention


def tokens(*shapes: tuple[int, int], **how: object) -> pl.Network:
    inputs = [pl.Input(*shape) for shape in shapes]
    attention = MultiHeadAttention(2, name="attention", **how)
    return pl.Network(inputs=inputs, outputs=attention(*inputs))


def test_self_attention_is_pytorchs():
    torch = pytest.importorskip("torch")
    module = torch.nn.MultiheadAttention(6, 2, batch_first=True).eval()
    torch.nn.init.normal_(module.in_proj_bias)
    model = pl.Model(tokens((5, 6)), engine="numpy")
    own = {
        "attention_qkv.weight": module.in_proj_weight.T,
        "attention_qkv.bias": module.in_proj_bias,
        "attention.weight": module.out_proj.weight.T,
        "attention.bias": module.out_proj.bias,
    }
    model.load_weights({name: array.detach().numpy() for name, array in own.items()})
    x = torch.randn(3, 5, 6)
    expected = module(x, x, x)[0].detach().numpy()
    np.testing.assert_allclose(model.predict(x.numpy()), expected, atol=1e-6)


def test_cross_attention_weighs_the_values_by_the_keys():
    model = pl.Model(tokens((5, 6), (4, 3), (4, 8), head_size=2), engine="numpy")
    random = np.random.default_rng(0)
    q, k, v = (
        random.normal(size=(3, *s)).astype("f") for s in ((5, 6), (4, 3), (4, 8))
    )
    w = model.weights
    projected = [
        (x @ w[f"attention_{role}.weight"] + w[f"attention_{role}.bias"])
        .reshape(3, -1, 2, 2)
        .transpose(0, 2, 1, 3)
        for role, x in (("query", q), ("key", k), ("value", v))
    ]
    scores = projected[0] @ projected[1].transpose(0, 1, 3, 2) / np.sqrt(2)
    shares = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    joined = (shares @ projected[2]).transpose(0, 2, 1, 3).reshape(3, 5, 4)
    expected = joined @ w["attention.weight"] + w["attention.bias"]
    np.testing.assert_allclose(model.predict((q, k, v)), expected, atol=1e-5)


def test_the_nodes_are_named_by_it():
    names = [node.name for node in tokens((5, 6), dropout=0.1).nodes]
    assert names[0] == "input"
    assert names[1] == "attention_qkv"
    assert names[-1] == "attention"
    assert "attention_softmax" in names
    assert "attention_dropout" in names


def test_called_twice_it_shares_its_weights():
    image = pl.Input(5, 6)
    attention = MultiHeadAttention(3)
    network = pl.Network(inputs=image, outputs=attention(attention(image)))
    assert network.parameter_count == 4 * (6 * 6 + 6)


@pytest.mark.parametrize(
    ("shapes", "how", "message"),
    [
        (((5, 7),), {}, "channels must be a multiple of heads, or head_size given"),
        (((4, 5, 6),), {}, "values must be tokens"),
        (((5, 6), (4, 6), (3, 6)), {}, "keys and values must be as many; got 4 and 3"),
        (((5, 6),) * 4, {}, "must be called on one value, on two"),
        (((5, 6),), {"dropout": 2}, "dropout must be a number from 0 to 1"),
        (((5, 6),), {"units": 0}, "units must be an int of at least 1"),
    ],
)
def test_what_does_not_fit_is_said(shapes, how, message):
    with pytest.raises(pl.NetworkError, match=message):
        tokens(*shapes, **how)


@pytest.mark.parametrize(
    ("layer", "shapes", "message"),
    [
        (pl.MatMul(), [(3, 4), (3, 4)], "as many columns as the second has rows"),
        (pl.MatMul(), [(3,), (3, 4)], "inputs must have two axes at least"),
        (pl.MatMul(), [(2, 3, 4), (3, 4, 5)], "have 1 where another is larger"),
    ],
)
def test_matrices_must_fit(layer, shapes, message):
    with pytest.raises(pl.ShapeError, match=message):
        layer.output_shape(*shapes)


def test_a_parameter_has_a_shape():
    with pytest.raises(pl.NetworkError, match="shape must be sizes of at least 1"):
        pl.Parameter((3, 0))
