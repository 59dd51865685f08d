"""Layers spelt out in modules of PyTorch: the passes that all formats share."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

torch = pytest.importorskip("torch", reason="torch is not installed")


SCALE = torch.arange(1.0, 7)


def layer_norm(x):
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-3) * SCALE[:, None, None]


def gelu(x):
    return 0.5 * x * (1 + torch.erf(x / 2**0.5))


def shuffle(x):
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


FUNCTIONS = {
    "gelu": (gelu, pl.GELU),
    "layer norm": (layer_norm, pl.LayerNorm),
    "mean of pixels": (lambda x: x.flatten(2).mean(2), pl.GlobalAvgPool2D),
    "mean over rows": (lambda x: x.mean(3).mean(2), pl.GlobalAvgPool2D),
    "silu": (lambda x: torch.sigmoid(x) * x, pl.SiLU),
}


class Module(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 6, 3)
        self.function = function

    def forward(self, x):
        return self.function(self.conv(x))


def read(function):
    torch.manual_seed(0)
    module = Module(function).eval()
    back = exchange.read(module, engine="numpy", input_shape=(8, 9, 3))
    x = torch.rand(2, 3, 8, 9)
    with torch.no_grad():
        expected = module(x).numpy()
    got = back.predict(np.moveaxis(x.numpy(), 1, -1))
    expected = np.moveaxis(expected, 1, -1) if expected.ndim == 4 else expected
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    return [type(node.layer) for node in back.network.nodes]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_layer_spelt_out_is_one_layer(name):
    function, kind = FUNCTIONS[name]
    assert read(function) == [pl.Input, pl.Conv2D, kind]


def test_a_channel_shuffle_comes_in():
    assert len(read(shuffle)) == 3


def test_operators_on_constants_are_computed():
    weight = torch.arange(1.0, 7)

    def function(x):
        return x * (weight.reshape(6, 1, 1) * 2 + 1).sqrt()

    assert len(read(function)) == 3


def test_several_axes_are_moved_at_once():
    class Moved(torch.nn.Module):
        def forward(self, x):
            return x.movedim((1, 3), (3, 1))

    program = torch.export.export(Moved(), (torch.zeros(2, 3, 4, 5),))
    model = exchange.read(program, engine="numpy")
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    made = model.predict(x.transpose(0, 2, 3, 1))
    np.testing.assert_array_equal(made, np.moveaxis(x, (1, 3), (3, 1)))


def test_an_input_without_axes_is_refused_by_name():
    class Scaled(torch.nn.Module):
        def forward(self, x, rate):
            return x * rate

    program = torch.export.export(Scaled(), (torch.zeros(2, 3), torch.ones(())))
    with pytest.raises(pl.ExchangeError, match="'rate' must have a batch axis"):
        exchange.read(program)
