"""What a drop-in once took for something else: it is PyTorch's, or refused."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl
from pellucid.drop_in.torch.modes import Modes
from pellucid.drop_in.torch.trace import trace
from pellucid.errors import ExchangeError

from .modules import twins


class Computed(nn.Module):
    """A weight by a function, before a head that hides it."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.w, self.head = nn.Parameter(torch.randn(4, 4)), nn.Linear(4, 2)
        nn.init.zeros_(self.head.weight)
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.head(self.function(self.w, x))


@pytest.mark.parametrize(
    "function",
    [
        lambda w, x: F.linear(x, w * 0.5),
        lambda w, x: F.linear(x, torch.relu(w)),
        lambda w, x: F.linear(x, w / w.norm(dim=1, keepdim=True)),
    ],
)
def test_computed_weights_are_refused_behind_a_head_of_zeros(function: Any) -> None:
    with pytest.raises(ExchangeError, match=r"computed|must have the network's value"):
        trace(Computed(function), ((4,),), Modes(True))


def test_weight_norm_is_refused() -> None:
    module = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    with pytest.raises(ExchangeError, match="reordered; got one that is computed"):
        pl.compile(module, example=torch.zeros(2, 4))


class Scaled(nn.Module):
    """Tensors that are neither parameters nor buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.tensor([0.25, 2.25, -1.0, 4.0])

    def forward(self, x: Any) -> Any:
        return x * self.scale


class Twice(nn.Module):
    """Batch norm, called twice; and a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.unused = nn.BatchNorm1d(4), nn.Parameter(torch.ones(3))

    def forward(self, x: Any) -> Any:
        return self.norm(torch.relu(self.norm(x)))


def test_plain_tensors_are_constants() -> None:
    x = torch.randn(2, 4)
    assert torch.equal(pl.compile(Scaled(), threads=1)(x), Scaled()(x))


def test_batch_norm_called_twice_counts_two_batches(same_state: Any) -> None:
    module, twin = twins(Twice())
    optimizer = torch.optim.Adam(twin.parameters(), weight_decay=0.1)
    drop_in = pl.compile(twin, loss=nn.MSELoss(), optimizer=optimizer, threads=1)
    x = torch.randn(5, 4)
    output = drop_in(x=x)
    assert torch.allclose(output, module(x), atol=1e-6)
    same_state(drop_in, module)
    assert drop_in.norm.num_batches_tracked == 2
    targets = torch.ones(5, 4, dtype=torch.int64)  # as MSELoss takes them
    wanted = F.mse_loss(module(x), targets)
    assert float(drop_in.train_step(x, targets).loss) == pytest.approx(
        float(wanted.detach()), rel=1e-5
    )
    optimizer.state_dict()
    assert twin.unused not in optimizer.state
    with pytest.raises(TypeError):
        drop_in(y=x)


def test_an_optimizer_that_begins_anew_counts_from_the_start() -> None:
    module, twin = twins(nn.Linear(4, 2))
    optimizer: Any = torch.optim.Adam(twin.parameters(), lr=0.1)
    drop_in = pl.compile(twin, loss=nn.MSELoss(), optimizer=optimizer, threads=1)
    other = torch.optim.Adam(module.parameters(), lr=0.1)
    x, y = torch.randn(3, 4), torch.randn(3, 2)
    for i in range(6):
        if i == 3:
            optimizer.state_dict()
            optimizer.state.clear()
            other.state.clear()
        drop_in.train_step(x, y)
        other.zero_grad()
        F.mse_loss(module(x), y).backward()
        other.step()
    state = optimizer.state_dict()["state"]
    assert int(state[0]["step"]) == 3
    weight = drop_in.state_dict()["weight"]
    assert torch.allclose(weight, module.weight, rtol=1e-4, atol=1e-5)
    optimizer.state[twin.weight]["step"] += 1
    drop_in(x)
    with pytest.raises(ExchangeError, match=r"as many steps; got \[3, 4\]"):
        drop_in.train_step(x, y)


def test_tied_weights_have_pytorchs_gradients() -> None:
    module: Any = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    twin = copy.deepcopy(module)
    optimizer = torch.optim.SGD(twin.parameters())
    drop_in = pl.compile(twin, loss=nn.MSELoss(), optimizer=optimizer, threads=1)
    x = torch.randn(3, 4)
    for one in (module, drop_in):
        one(x).square().sum().backward()
    assert torch.allclose(twin[0].weight.grad, module[0].weight.grad, atol=1e-5)
    with pytest.raises(ExchangeError, match=r"'2\.weight' shared"):
        drop_in.train_step(x, x)


def test_second_derivatives_are_refused() -> None:
    drop_in = pl.compile(nn.Linear(4, 2), threads=1)
    x = torch.randn(3, 4, requires_grad=True)
    for _ in range(2):
        output = drop_in(x)
        with pytest.raises(ExchangeError, match="without create_graph=True"):
            torch.autograd.grad(output.sum(), x, create_graph=True)
        (gradient,) = torch.autograd.grad(output.sum(), x)
        assert torch.allclose(gradient, drop_in.weight.sum(0).expand(3, 4))
        drop_in.eval()


def test_what_is_no_tensor_or_of_another_type_is_refused_in_one_sentence() -> None:
    with pytest.raises(ExchangeError, match="a tensor of PyTorch; got ndarray"):
        pl.compile(nn.Linear(4, 3), example=np.zeros((2, 4), np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        script = torch.jit.script(nn.Linear(4, 3))
    with pytest.raises(ExchangeError, match="got one of TorchScript"):
        pl.compile(script)
    module = nn.Linear(4, 3)
    drop_in = pl.compile(
        module,
        loss=F.cross_entropy,
        optimizer=torch.optim.SGD(module.parameters()),
        threads=1,
    )
    x, y = torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ExchangeError, match="a tensor of PyTorch; got ndarray"):
        drop_in.train_step(x.numpy(), y)
    for targets, message in (
        ([0, 1, 2], "targets must be a tensor on the CPU; got list"),
        (None, "targets must be a tensor on the CPU; got NoneType"),
        (y.int(), "classes must be torch.int64; got torch.int32"),
        (y.bool(), "classes must be torch.int64; got torch.bool"),
    ):
        with pytest.raises(ExchangeError, match=message):
            drop_in.train_step(x, targets)
