"""PyTorch's own modules as drop-ins, in both modes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl

IMAGE = (4, 8, 7)


class Calls(nn.Module):
    """Layers, and a function of them and the input."""

    def __init__(self, function: Callable[..., Any], *layers: Any) -> None:
        super().__init__()
        self.layers, self.function = nn.ModuleList(layers), function

    def forward(self, x: Any) -> Any:
        return self.function(self.layers, x)


class Learned(nn.Module):
    """Parameters as values: a token, positions, a scale by channel, used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(6, 6)
        self.token = nn.Parameter(torch.randn(1, 1, 6))
        self.places = nn.Parameter(torch.randn(5, 6))
        self.scale = nn.Parameter(torch.rand(6))
        self.shift = nn.Parameter(torch.rand(1))
        self.register_buffer("fixed", torch.rand(6))

    def forward(self, x: Any) -> Any:
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        x = x + self.scale * self.dense(x) * self.fixed
        return torch.tanh(x) * self.scale + self.shift


MODULES: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "transposed": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
        IMAGE,
    ),
    "depthwise, batch norm": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 8, 3, groups=4, bias=False),
            nn.BatchNorm2d(8, momentum=0.3, eps=1e-3),
        ),
        IMAGE,
    ),
    "flattened between": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 3, 3), nn.Flatten(), nn.PReLU(), nn.Linear(90, 7)
        ),
        IMAGE,
    ),
    "gate, concatenated, group norm": (
        lambda: Calls(
            lambda m, x: m[1](
                torch.cat([x * torch.sigmoid(m[0](x.mean((2, 3), True))), x], 1)
            ),
            nn.Conv2d(4, 4, 1),
            nn.GroupNorm(2, 8),
        ),
        IMAGE,
    ),
    "tied": (
        lambda: Calls(lambda m, x: m[0](torch.relu(m[0](x))), nn.Linear(6, 6)),
        (6,),
    ),
    "learned values": (Learned, (4, 6)),
    "log-softmax of channels": (
        lambda: nn.Sequential(nn.Conv2d(4, 3, 1), nn.LogSoftmax(1)),
        IMAGE,
    ),
}


def error(found: Any, wanted: Any) -> float:
    difference = (found.detach() - wanted.detach()).abs().max()
    return float(difference / (wanted.detach().abs().max() + 1e-3))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_gives_pytorchs_outputs_gradients_and_buffers(name: str) -> None:
    make, shape = MODULES[name]
    module = make()
    twin = copy.deepcopy(module)
    drop_in = pl.compile(twin, threads=1)
    x = torch.randn(3, *shape)
    for training in (True, False):
        grads = None
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        outputs = []
        for one, given in zip((module, drop_in), inputs, strict=True):
            one.train(training)
            one.zero_grad()
            outputs.append(one(given))
            grads = torch.randn_like(outputs[0]) if grads is None else grads
            outputs[-1].backward(grads)
        assert error(outputs[1], outputs[0]) < 1e-5
        assert error(inputs[1].grad, inputs[0].grad) < 1e-4
        for mine, theirs in zip(drop_in.parameters(), module.parameters(), strict=True):
            assert error(mine.grad, theirs.grad) < 1e-4
        for mine, theirs in zip(drop_in.buffers(), module.buffers(), strict=True):
            assert error(mine.float(), theirs.float()) < 1e-5
