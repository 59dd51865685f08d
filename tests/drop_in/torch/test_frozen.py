"""Modules of which a part does not train, or is in evaluation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl

from .modules import Recurrent


class Small(nn.Module):
    """A batch norm and dropout between dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.norm = nn.Linear(6, 8), nn.BatchNorm1d(8)
        self.fc2, self.fc3 = nn.Linear(8, 7), nn.Linear(7, 5)
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Any) -> Any:
        x = self.dropout(F.relu(self.norm(self.fc1(x))))
        return F.log_softmax(self.fc3(F.relu(self.fc2(x))), dim=1)


def still(module: Any) -> None:
    """The batch norm keeps its statistics; its scale and offset train."""
    module.norm.eval()


def still_and_frozen(module: Any) -> None:
    """As everybody does it who trains a given network further."""
    module.norm.eval()
    module.norm.requires_grad_(False)


def frozen(module: Any) -> None:
    """All but the head; the batch norm's statistics go on."""
    module.requires_grad_(False)
    module.fc3.requires_grad_(True)


def halves(module: Any) -> None:
    """Of two layers one tensor each, and dropout that drops nothing."""
    module.norm.eval()
    module.norm.weight.requires_grad_(False)
    module.fc1.bias.requires_grad_(False)
    module.fc2.weight.requires_grad_(False)
    module.dropout.eval()


KINDS: list[Callable[[Any], None]] = [still, still_and_frozen, frozen, halves]


@pytest.fixture(scope="module")
def start() -> Any:
    torch.manual_seed(1)
    module = Small()
    with torch.no_grad():
        module.norm.running_mean.normal_()
        module.norm.running_var.uniform_(0.5, 2)
        module.norm.weight.uniform_(0.5, 2)
        module.norm.bias.normal_()
    return module


def optimizer_of(module: Any) -> Any:
    return torch.optim.AdamW(module.parameters(), lr=3e-3, weight_decay=0.1)


def prepare(module: Any, kind: Callable[[Any], None]) -> None:
    """Put a module into training, but for what is frozen."""
    module.train()
    kind(module)


def batches() -> Iterator[tuple[Any, Any]]:
    torch.manual_seed(2)
    return iter([batch(), batch(), batch(4)])


def batch(count: int = 6) -> tuple[Any, Any]:
    return torch.randn(count, 6), torch.randint(0, 5, (count,))


@pytest.mark.sweep(every=2)
@pytest.mark.parametrize("fused", [False, True], ids=["loop", "train_step"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_frozen_stays_and_the_rest_trains_as_in_pytorch(
    kind: Callable[[Any], None], fused: bool, start: Any, same_state: Any
) -> None:
    module, twin = copy.deepcopy(start), copy.deepcopy(start)
    module.dropout.p = twin.dropout.p = 0.5 if kind is halves else 0.0
    theirs, mine = optimizer_of(module), optimizer_of(twin)
    ours: Any = {"loss": nn.NLLLoss(), "optimizer": mine} if fused else {}
    drop_in = pl.compile(twin, threads=1, **ours)
    for one in (module, drop_in):
        prepare(one, kind)
    for x, y in batches():
        theirs.zero_grad()
        loss = F.nll_loss(module(x), y)
        loss.backward()
        theirs.step()
        if fused:
            found = drop_in.train_step(x, y).loss
        else:
            mine.zero_grad()
            found = F.nll_loss(drop_in(x), y)
            found.backward()
            mine.step()
        assert found.item() == pytest.approx(loss.item(), rel=1e-4)
    same_state(drop_in, module)
    x, _ = batch()
    with torch.no_grad():
        wanted = module.eval()(x)
        difference = float((drop_in.eval()(x) - wanted).abs().max())
    assert difference < 1e-4 * float(wanted.abs().max())


def test_what_was_frozen_trains_again_once_it_is_asked_to(start: Any) -> None:
    module, twin = copy.deepcopy(start), copy.deepcopy(start)
    drop_in = pl.compile(twin, threads=1)
    x, y = batch()
    for one in (module, drop_in):
        prepare(one, still_and_frozen)
        F.nll_loss(one(x), y).backward()
        assert one.norm.weight.grad is None
        one.zero_grad()
        one.train().requires_grad_(True)
        F.nll_loss(one(x), y).backward()
    for mine, theirs in zip(drop_in.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(drop_in.norm.running_mean, module.norm.running_mean)


def test_dropout_alone_may_train_in_a_module_in_evaluation() -> None:
    module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    drop_in = pl.compile(module, threads=1).eval()
    drop_in[2].train()
    x = torch.randn(5, 4)
    difference = drop_in(x) - drop_in(x)
    assert float(difference.detach().abs().max()) > 1e-3
    assert not module[1].running_mean.any()
    torch.testing.assert_close(drop_in.eval()(x), module.eval()(x))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(nn.LSTM, {"bidirectional": True}), (nn.RNN, {}), (nn.GRU, {})],
)
def test_both_biases_of_recurrent_layers_train_as_in_pytorch(
    kind: Any, options: dict[str, Any], same_state: Any
) -> None:
    module = Recurrent(kind, **options)
    drop_in = pl.compile(copy.deepcopy(module), threads=1)
    for one in (module, drop_in):
        one.cells.bias_ih_l0.requires_grad_(False)
        optimizer = torch.optim.Adam(one.parameters(), lr=0.01, weight_decay=0.1)
        torch.manual_seed(3)
        for count in (4, 4, 2):
            optimizer.zero_grad()
            one(torch.randn(count, 5, 2)).square().mean().backward()
            optimizer.step()
    same_state(drop_in, module)
    with torch.no_grad():
        drop_in.cells.bias_hh_l0.add_(1)  # one of the two alone
        module.cells.bias_hh_l0.add_(1)
        x = torch.randn(2, 5, 2)
        torch.testing.assert_close(drop_in(x), module(x), rtol=1e-4, atol=1e-5)
