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
        self.width = nn.Parameter(torch.rand(3, 1, 1) + 0.5)
        self.places = nn.Parameter(torch.rand(1, 3, 3, 4))
        self.token = nn.Parameter(torch.rand(1, 3, 1))
        self.fixed = nn.Parameter(torch.rand(3, 1, 1), requires_grad=False)
        self.register_buffer("shift", torch.rand(3, 1, 1))

    def forward(self, x):
        x = (self.conv(x) - self.centre) * self.gain / self.width + self.places
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
    assert list(trained.values()) == [True] * 5
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


class Windows(nn.Module):
    """A bias whose middle is none, and a mask of zeros that is written into."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.dense = nn.Linear(4, 6)

    def forward(self, x):
        bias = self.dense.bias.clone()
        bias[2:4].zero_()
        y = nn.functional.linear(x, self.dense.weight, bias)
        mask = x.new_zeros((3, 6))
        mask[0, 1:3] = 2.0
        mask[2] = 1.0
        return y + mask


def test_constants_that_a_module_writes_into_come_in_as_they_end():
    module = Windows()
    model = exchange.read(module, engine="numpy", input_shape=(3, 4))
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(model.predict(x), expected, atol=1e-6)


class Changing(nn.Module):
    def forward(self, x):
        mask = x.new_zeros((3, 4))
        y = x + mask
        mask[0].fill_(1.0)
        return y + mask


def test_a_constant_that_is_read_before_it_is_written_is_refused():
    with pytest.raises(pl.ExchangeError, match=r"aten\.fill_ must write constants"):
        exchange.read(Changing(), engine="numpy", input_shape=(3, 4))
