"""The fused training step of a drop-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl
from pellucid.errors import ExchangeError

from .modules import Classifier, batch, twins

Make = Callable[[Any], Any]


def decaying(parameters: Any) -> Any:
    return torch.optim.AdamW(parameters, lr=3e-3, weight_decay=0.1)


def momentum(parameters: Any) -> Any:
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9, weight_decay=1e-2)


def same_optimizer(found: Any, wanted: Any) -> None:
    assert list(found["state"]) == list(wanted["state"])
    for mine, theirs in zip(
        found["state"].values(), wanted["state"].values(), strict=True
    ):
        assert set(mine) == set(theirs)
        for name, tensor in theirs.items():
            scale = float(tensor.abs().max()) or 1.0
            assert float((mine[name] - tensor).abs().max()) <= 1e-3 * scale


@pytest.mark.parametrize("make", [decaying, momentum])
def test_twenty_steps_are_pytorchs_and_so_is_the_optimizers_state(
    make: Make, same_state: Any
) -> None:
    module, twin = twins(Classifier())
    mine, theirs = make(twin.parameters()), make(module.parameters())
    drop_in = pl.compile(twin, loss=nn.NLLLoss(), optimizer=mine, threads=1)
    schedules = [torch.optim.lr_scheduler.StepLR(o, 8, 0.3) for o in (theirs, mine)]

    def eager(x: Any, y: Any) -> Any:
        theirs.zero_grad()
        loss = F.nll_loss(module(x), y)
        loss.backward()
        theirs.step()
        return loss.detach()

    for i in range(20):
        x, y = batch(6 if i % 5 else 4)
        wanted = eager(x, y)
        if i == 9:  # a step of the user's own loop in between
            mine.zero_grad()
            found = F.nll_loss(drop_in(x), y)
            found.backward()
            mine.step()
        else:
            found = drop_in.train_step(x, y).loss
        assert float(found.detach()) == pytest.approx(float(wanted), rel=1e-3)
        for schedule in schedules:
            schedule.step()
    same_optimizer(mine.state_dict(), theirs.state_dict())
    same_state(drop_in, module)
    assert torch.equal(twin.fc1.weight, drop_in.fc1.weight)


def test_training_goes_on_from_a_loaded_state(same_state: Any) -> None:
    module, twin = twins(Classifier())
    drop_ins = []
    for one in (module, twin):
        optimizer = decaying(one.parameters())
        drop_ins.append(
            (pl.compile(one, loss=F.nll_loss, optimizer=optimizer), optimizer)
        )
    (first, optimizer), (second, other) = drop_ins
    batches = [batch() for _ in range(6)]
    for x, y in batches[:3]:
        first.train_step(x, y)
    second.load_state_dict(first.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for x, y in batches[3:]:
        first.train_step(x, y)
        second.train_step(x, y)
    same_state(second, first)


def test_the_step_returns_the_modules_output() -> None:
    module, twin = twins(Classifier())
    optimizer = momentum(twin.parameters())
    drop_in = pl.compile(twin, loss=nn.NLLLoss(), optimizer=optimizer, threads=1)
    x, y = batch()
    result = drop_in.train_step(x, y)
    assert torch.allclose(result.output, module(x), atol=1e-5)
    assert twin.norm.num_batches_tracked == 0  # the drop-in was not asked yet
    assert drop_in.norm.num_batches_tracked == 1


def test_changes_behind_the_steps_back_are_refused() -> None:
    module = Classifier()
    optimizer = momentum(module.parameters())
    drop_in = pl.compile(module, loss=nn.NLLLoss(), optimizer=optimizer, threads=1)
    x, y = batch()
    drop_in.train_step(x, y)
    with torch.no_grad():
        module.fc2.bias.zero_()
    with pytest.raises(ExchangeError, match=r"changed after synchronize\(\)"):
        drop_in.train_step(x, y)


class Plain(nn.Module):
    """A single layer, whose output is what a test wants."""

    def __init__(self, end: Any = None) -> None:
        super().__init__()
        self.fc, self.end = nn.Linear(4, 3), end or nn.Identity()

    def forward(self, x: Any) -> Any:
        return self.end(self.fc(x))


def step(loss: Any, optimizer: Any, module: Any = None) -> Any:
    module = module or Plain()
    given = optimizer(module.parameters()) if callable(optimizer) else optimizer
    drop_in = pl.compile(module, loss=loss, optimizer=given, threads=1)
    return drop_in.train_step(torch.randn(5, 4), torch.randint(0, 3, (5,)))


@pytest.mark.parametrize(
    ("loss", "end", "message"),
    [
        (nn.CrossEntropyLoss(weight=torch.ones(3)), None, "weight must be None"),
        (nn.CrossEntropyLoss(reduction="sum"), None, "reduction must be 'mean'"),
        (nn.CrossEntropyLoss(ignore_index=0), None, "ignore_index must be -100"),
        (nn.CrossEntropyLoss(), nn.Softmax(1), "must give logits; got .* Softmax"),
        (nn.NLLLoss(), None, "the logarithms of a log-softmax"),
        (nn.BCELoss(), None, "what a sigmoid gives"),
        (nn.L1Loss(), None, "must be one of nn.CrossEntropyLoss"),
    ],
)
def test_losses_without_a_counterpart_are_refused(
    loss: Any, end: Any, message: str
) -> None:
    with pytest.raises(ExchangeError, match=message):
        step(loss, torch.optim.SGD, Plain(end))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (torch.optim.Adagrad, "must be one of SGD, Adam, AdamW, RMSprop"),
        (lambda p: torch.optim.Adam(p, amsgrad=True), "amsgrad must be False"),
        (lambda p: torch.optim.SGD(list(p)[:1]), "all parameters that train"),
        (
            lambda p: torch.optim.SGD(
                [{"params": [q], "lr": i} for i, q in enumerate(p)]
            ),
            "all groups must have one lr",
        ),
        (
            lambda p: torch.optim.SGD(
                [{"params": [q], "weight_decay": i + 1} for i, q in enumerate(p)]
            ),
            "weight_decay must be one for all",
        ),
        (None, "must have loss= and optimizer="),
    ],
)
def test_optimizers_without_a_counterpart_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        step(nn.CrossEntropyLoss(), make)


@pytest.mark.parametrize(
    ("hook", "where"),
    [
        (lambda m, _: m.register_forward_hook(lambda *_: None), "the module"),
        (lambda _, o: o.register_step_post_hook(lambda *_: None), "the optimizer"),
        (lambda _, o: o.register_step_pre_hook(lambda *_: None), "the optimizer"),
        (lambda m, _: m.fc.bias.register_hook(lambda g: -g), "parameters.* 'fc.bias'"),
        (
            lambda m, _: m.fc.bias.register_post_accumulate_grad_hook(lambda p: None),
            "parameters.* 'fc.bias'",
        ),
    ],
)
def test_hooks_are_refused_as_the_step_runs_none(hook: Any, where: str) -> None:
    module = Plain()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    drop_in = pl.compile(module, loss=F.cross_entropy, optimizer=optimizer)
    hook(drop_in, optimizer)
    with pytest.raises(ExchangeError, match=f"no hooks on {where}"):
        drop_in.train_step(torch.randn(5, 4), torch.randint(0, 3, (5,)))


def test_schedules_of_momentum_are_refused_after_some_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = Plain()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    drop_in = pl.compile(module, loss=F.cross_entropy, optimizer=optimizer)
    x, y = torch.randn(5, 4), torch.randint(0, 3, (5,))
    monkeypatch.setattr("pellucid.drop_in.torch.objectives._MOST_SETTINGS", 1)
    for _ in range(2):
        drop_in.train_step(x, y)
    optimizer.param_groups[0]["momentum"] = 0.8
    with pytest.raises(ExchangeError, match=r"got 2 settings of SGD.*cycle_momentum"):
        drop_in.train_step(x, y)


@pytest.mark.parametrize(
    ("loss", "end", "labels"),
    [
        (nn.MSELoss(), None, torch.randn(5, 3)),
        (nn.BCEWithLogitsLoss(), None, torch.rand(5, 3)),
        (nn.BCELoss(), nn.Sigmoid(), torch.rand(5, 3)),
        (nn.CrossEntropyLoss(label_smoothing=0.1), None, torch.randint(0, 3, (5,))),
    ],
)
def test_losses_are_pytorchs(loss: Any, end: Any, labels: Any) -> None:
    module, twin = twins(Plain(end))
    optimizer = torch.optim.RMSprop(twin.parameters(), lr=0.01)
    drop_in = pl.compile(twin, loss=loss, optimizer=optimizer, threads=1)
    x = torch.randn(5, 4)
    wanted = loss(module(x), labels)
    found = drop_in.train_step(x, labels).loss
    assert float(found) == pytest.approx(float(wanted.detach()), rel=1e-5)
    other = torch.optim.RMSprop(module.parameters(), lr=0.01)
    wanted.backward()
    other.step()
    assert torch.allclose(
        drop_in.state_dict()["fc.weight"], module.fc.weight, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, -100, 1, 2, 0]), r"classes must lie in 0 … 2; got -100 to 2"),
        (torch.zeros(4, dtype=torch.int64), r"must be of shape \(5,\); got \(4,\)"),
        (torch.zeros(5, 2), r"must be of shape \(5, 3\); got \(5, 2\)"),
    ],
)
def test_targets_that_do_not_fit_are_refused(labels: Any, message: str) -> None:
    module = Plain()
    optimizer = torch.optim.SGD(module.parameters())
    drop_in = pl.compile(module, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
    with pytest.raises(ExchangeError, match=message):
        drop_in.train_step(torch.randn(5, 4), labels)


def test_a_loss_of_each_pixel_takes_targets_with_the_channels_first() -> None:
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 5, generator=random)
    classes = torch.randint(0, 6, (2, 4, 5), generator=random)
    for loss, targets in (
        (nn.CrossEntropyLoss(), classes),
        (nn.MSELoss(), torch.randn(2, 6, 4, 5, generator=random)),
    ):
        module, twin = twins(nn.Conv2d(3, 6, 1))
        optimizer = torch.optim.SGD(twin.parameters())
        drop_in = pl.compile(twin, loss=loss, optimizer=optimizer, threads=1)
        wanted = float(loss(module(x), targets).detach())
        assert float(drop_in.train_step(x, targets).loss) == pytest.approx(wanted)
