"""Convolutions whose weights are normalised at each call, as in NFNet."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn


class Standardized(nn.Conv2d):
    """timm's ScaledStdConv2d."""

    def __init__(self):
        super().__init__(2, 3, 3)
        self.gain = nn.Parameter(torch.tensor([0.5, 2.0, -1.0]).view(3, 1, 1, 1))

    def forward(self, x):
        weight = nn.functional.batch_norm(
            self.weight.reshape(1, 3, -1),
            None,
            None,
            weight=self.gain.view(-1) * 0.3,
            training=True,
            momentum=0.0,
            eps=1e-5,
        ).reshape_as(self.weight)
        return nn.functional.conv2d(x, weight, self.bias)


def test_weights_that_are_normalised_are_computed_once():
    torch.manual_seed(0)
    module = Standardized().eval()
    model = pl.exchange.read(module, engine="numpy", input_shape=(5, 6, 2))
    assert [type(n.layer).__name__ for n in model.network.nodes] == ["Input", "Conv2D"]
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 2)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_allclose(
        model.predict(x), expected.transpose(0, 2, 3, 1), atol=1e-6
    )


class ByItself(nn.Module):
    def forward(self, x):
        return nn.functional.batch_norm(x, None, None, training=True)


def test_values_normalised_by_their_batch_are_refused():
    with pytest.raises(pl.ExchangeError, match=r"batch_norm .* training=False; got"):
        pl.exchange.read(ByItself(), input_shape=(5, 6, 2))
