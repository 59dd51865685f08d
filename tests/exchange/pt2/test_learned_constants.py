"""Parameters that a module multiplies by or adds stay what training changes."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")
nn = torch.nn
pytestmark = pytest.mark.filterwarnings("ignore")


class Scaled(nn.Module):
    """Parameters, one that is frozen, and a buffer, as layers use them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(1, 3, 2), nn.Linear(3, 2)
        self.centre = nn.Parameter(torch.rand(3, 1, 1))
        self.gain = nn.Parameter(torch.rand(3, 1, 1) + 0.5)
        self.places = nn.Parameter(torch.rand(1, 3, 3, 4))
        self.token = nn.Parameter(torch.rand(1, 3, 1))
        self.fixed = nn.Parameter(torch.rand(3, 1, 1), requires_grad=False)
        self.register_buffer("shift", torch.rand(3, 1, 1))

    def forward(self, x):
        x = (self.conv(x) - self.centre) * self.gain + self.places
        x = (x * self.fixed + self.shift).flatten(2)
        x = torch.cat([x, self.token.expand(x.shape[0], -1, -1)], 2)
        return self.head(x.mean(2))


def test_parameters_train_and_constants_do_not():
    file = exchange.read(Scaled(), engine="numpy", input_shape=(4, 5, 1))
    network = file.network
    trained = {
        node.name: node.layer.trainable
        for node in network.nodes
        if isinstance(node.layer, pl.Parameter)
    }
    assert list(trained.values()) == [True] * 4
    frozen = [n for n in network.nodes if isinstance(n.layer, pl.BatchNorm)]
    assert frozen
    assert not any(node.layer.trainable for node in frozen)
    model = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer="sgd")
    model.load_weights(file.weights)
    images = np.random.default_rng(0).normal(size=(8, 4, 5, 1)).astype(np.float32)
    model.fit((images, np.arange(8) % 2), epochs=1)
    for name in trained:
        after, before = model.weights[f"{name}.value"], file.weights[f"{name}.value"]
        assert np.abs(after - before).max() > 0, name


def test_a_frozen_parameter_of_ours_stays_frozen(tmp_path):
    entry = pl.Input(3, 4)
    layers = [pl.Parameter((3, 4), trainable=trains) for trains in (True, False)]
    x = pl.Add()(entry, layers[0](entry))
    x = pl.Multiply()(x, layers[1](x))
    model = pl.Model(pl.Network(inputs=entry, outputs=x), engine="numpy", seed=0)
    exchange.write(model, tmp_path / "m.pt2")
    back = exchange.read(tmp_path / "m.pt2", engine="numpy").network
    kinds = [n.layer for n in back.nodes if isinstance(n.layer, pl.Parameter)]
    assert [layer.trainable for layer in kinds] == [True, False]
