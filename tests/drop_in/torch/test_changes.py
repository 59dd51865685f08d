"""Modules that change after they were compiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl
from pellucid.errors import ExchangeError

from .modules import twins


class Factors(nn.Module):
    """A module whose attributes decide what it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.tensor, self.number = torch.tensor([1.25, 2, 3, 4]), 3.0
        self.several = [2.0]

    def forward(self, x: Any) -> Any:
        return x * self.tensor * self.number * self.several[0]


def test_attributes_that_change_are_seen() -> None:
    module, drop_in = Factors().eval(), pl.compile(Factors(), threads=1).eval()
    x = torch.randn(2, 4)

    def change(one: Any, i: int) -> None:
        if i == 1:
            one.number = 5.0
        elif i == 2:
            one.tensor.mul_(2)
        elif i == 3:
            one.tensor = torch.ones(4)
        elif i == 4:
            one.several[0] = 7.0

    for i in range(5):
        for one in (module, drop_in):
            change(one, i)
        assert torch.allclose(drop_in(x), module(x))


def test_parts_that_are_replaced_or_changed_are_seen() -> None:
    module: Any = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 3))
    drop_in = pl.compile(module, threads=1)
    x = torch.randn(3, 4)
    drop_in(x)
    drop_in[1].p = module[1].p = 0.0
    assert torch.allclose(drop_in(x), module(x), atol=1e-6)
    shape = drop_in._pellucid.shape_of(drop_in, (x,))
    drop_in.best = 1.0  # nothing reads it
    drop_in[0].number = 2
    drop_in(x)
    drop_in.best = 2.0
    drop_in(x)
    assert drop_in._pellucid.shape_of(drop_in, (x,)) is shape  # not compiled anew
    drop_in[2] = module[2] = nn.Linear(4, 2)
    assert torch.allclose(drop_in(x), module(x), atol=1e-6)
    drop_in[2].weight = module[2].weight = nn.Parameter(torch.randn(5, 4))
    drop_in[2].bias = module[2].bias = None
    assert torch.allclose(drop_in(x), module(x), atol=1e-6)


def test_steps_go_on_when_the_module_changes(same_state: Any) -> None:
    module, twin = twins(nn.Sequential(nn.Linear(4, 4), Factors(), nn.Linear(4, 2)))
    theirs = torch.optim.Adam(module.parameters(), lr=0.05)
    mine = torch.optim.Adam(twin.parameters(), lr=0.05)
    drop_in = pl.compile(twin, loss=nn.MSELoss(), optimizer=mine, threads=1)
    x, y = torch.randn(3, 4), torch.randn(3, 2)
    for i in range(4):
        if i == 2:
            drop_in[1].number = module[1].number = 0.5
        theirs.zero_grad()
        wanted = F.mse_loss(module(x), y)
        wanted.backward()
        theirs.step()
        found = float(drop_in.train_step(x, y).loss)
        assert found == pytest.approx(float(wanted.detach()), rel=1e-4)
    same_state(drop_in, module)
    drop_in.register_forward_hook(lambda *_: None)
    with pytest.raises(ExchangeError, match="train_step must find no hooks"):
        drop_in.train_step(x, y)


def test_hooks_on_the_whole_run_once_and_later_ones_on_parts_are_refused() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    calls: list[Any] = []

    def double(_: Any, given: Any, output: Any) -> Any:
        calls.append(given)
        return output * 2

    module.register_forward_hook(double)
    drop_in = pl.compile(module, threads=1)
    x = torch.randn(3, 4)
    output = drop_in(x)
    assert len(calls) == 1
    assert torch.allclose(output, module(x))
    module[0].register_forward_hook(double)
    with pytest.raises(ExchangeError, match="no hooks; got some on '0'"):
        drop_in(x)


@pytest.mark.parametrize("trains", [True, False])
def test_tensors_that_become_of_another_type_are_refused(trains: bool) -> None:
    drop_in: Any = pl.compile(nn.Linear(4, 3), threads=1).train(trains)
    x = torch.randn(2, 4)
    wanted = drop_in(x)
    for change in (drop_in.double, drop_in.half):
        change()
        with pytest.raises(ExchangeError, match="must be float32 on the CPU"):
            drop_in(x)
    drop_in.float()
    assert torch.allclose(drop_in(x), wanted, atol=1e-2)  # rounded to half


def test_a_weight_that_a_hook_computes_is_refused() -> None:
    module = nn.Linear(4, 4)
    weight = module.weight
    del module._parameters["weight"]
    module.original = weight
    module.weight = weight * 2  # type: ignore[assignment]
    with pytest.raises(ExchangeError, match="must be parameters; got 'weight'"):
        pl.compile(module, example=torch.zeros(2, 4))


class Picked(nn.Module):
    """A buffer of integers that decides what is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("places", torch.tensor([0, 2, 1, 3]))

    def forward(self, x: Any) -> Any:
        return x[:, self.places]


def test_buffers_of_integers_that_change_are_seen() -> None:
    drop_in = pl.compile(Picked(), threads=1)
    x = torch.randn(2, 4)
    for places in ([0, 2, 1, 3], [3, 2, 1, 0]):
        drop_in.places.copy_(torch.tensor(places))
        assert torch.equal(drop_in(x), x[:, places])


def test_modules_that_would_run_on_pytorch_are_refused() -> None:
    module: Any = nn.Linear(4, 4)
    for given, message in (
        (nn.DataParallel(module), r"Give its \.module"),
        (torch.compile(module, backend="eager"), "forward in its class"),
        (nn.LazyLinear(4), "got lazy ones"),
    ):
        with pytest.raises(ExchangeError, match=message):
            pl.compile(given)
