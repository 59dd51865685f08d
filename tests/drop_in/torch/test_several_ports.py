"""Modules with several inputs and outputs: forward pass, gradients, state, steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.errors import ExchangeError


class TwoBranches(nn.Module):
    """A picture and a vector in; a class, numbers and an embedding out."""

    def __init__(self, form: str = "tuple") -> None:
        super().__init__()
        self.form = form
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.rows = nn.Linear(5, 6)
        self.kind = nn.Linear(4 * 4 * 4 + 6, 3)
        self.place = nn.Linear(6, 2)

    def forward(self, image: Any, facts: Any) -> Any:
        x = torch.relu(self.norm(self.conv(image)))
        x = nn.functional.max_pool2d(x, 2)
        y = torch.tanh(self.rows(facts))
        kind = self.kind(torch.cat([x.flatten(1), y], dim=1))
        place = self.place(y)
        if self.form == "dict":
            return {"kind": kind, "place": place}
        if self.form == "log":
            return torch.log_softmax(kind, dim=1), place
        return kind, place


def batch(count: int = 6, seed: int = 0) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, 2, 8, 8, generator=generator),
        torch.randn(count, 5, generator=generator),
    )


def targets(count: int = 6) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(9)
    kinds = torch.randint(0, 3, (count,), generator=generator)
    return kinds, torch.randn(count, 2, generator=generator)


def twins(form: str = "tuple", **given: Any) -> tuple[Any, Any]:
    torch.manual_seed(1)
    module = TwoBranches(form)
    other = TwoBranches(form)
    other.load_state_dict(module.state_dict())
    return module, pl.compile(other, **given)


def leaves(output: Any) -> list[Any]:
    return list(output.values()) if isinstance(output, dict) else list(output)


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Any]:
    """A module and its drop-in, which are compiled for both modes once."""
    return twins()


@pytest.mark.parametrize("form", ["dict", "log"])
def test_outputs_come_as_the_module_returns_them(form: str) -> None:
    module, drop_in = twins(form, example=batch())
    for training in (False, True):
        module.train(training)
        drop_in.train(training)
        image, facts = batch()
        expected, found = module(image, facts), drop_in(image, facts=facts)
        assert type(found) is type(expected)
        for one, other in zip(leaves(found), leaves(expected), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(drop_in.norm.running_mean, module.norm.running_mean)


@pytest.mark.parametrize(
    ("training", "used"),
    [(True, (1.0, 0.5)), (True, (0.0, 1.0)), (False, (1.0, 0.5))],
)
def test_gradients_of_all_inputs_and_parameters(
    pair: tuple[Any, Any], training: bool, used: tuple[float, float]
) -> None:
    grads = []
    for module in pair:
        module.train(training).zero_grad()
        inputs = [x.requires_grad_() for x in batch()]
        outputs = module(*inputs)
        pairs = zip(used, outputs, strict=True)
        sum(by * (y**2).sum() for by, y in pairs if by).backward()
        found = [x.grad for x in inputs]
        found += [p.grad for p in module.parameters()]
        grads.append([torch.zeros(1) if g is None else g for g in found])
    for one, other in zip(*grads, strict=True):
        largest = max(float(one.abs().max()), 1e-3)
        assert float((one - other).abs().max()) <= 2e-4 * largest


@pytest.mark.sweep(every=2)
@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_train_step_adds_the_losses_of_the_outputs(form: str) -> None:
    torch.manual_seed(1)
    module, other = TwoBranches(form), TwoBranches(form)
    other.load_state_dict(module.state_dict())
    losses: Any = (nn.CrossEntropyLoss(), nn.MSELoss())
    y: Any = targets()
    names = ("kind", "place")
    if form == "dict":
        losses = dict(zip(names, losses, strict=True))
        y = dict(zip(names, y, strict=True))
    ours = torch.optim.Adam(other.parameters(), lr=1e-2)
    theirs = torch.optim.Adam(module.parameters(), lr=1e-2)
    drop_in = pl.compile(other, loss=losses, optimizer=ours)
    for step in range(3):
        x = batch(seed=step)
        theirs.zero_grad()
        kind, place = leaves(module(*x))
        want = targets()
        loss = nn.CrossEntropyLoss()(kind, want[0]) + nn.MSELoss()(place, want[1])
        loss.backward()
        theirs.step()
        result = drop_in.train_step(x, y)
        torch.testing.assert_close(result.loss, loss.detach(), rtol=1e-4, atol=1e-5)
        assert type(result.output) is (dict if form == "dict" else tuple)
    state = drop_in.state_dict()
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(state[name], tensor, rtol=2e-3, atol=2e-4)
    moments = ours.state_dict()["state"][0]["exp_avg"]
    expected = theirs.state_dict()["state"][0]["exp_avg"]
    torch.testing.assert_close(moments, expected, rtol=1e-2, atol=1e-4)


def test_an_output_without_a_loss_is_not_trained() -> None:
    _, _ = twins()
    torch.manual_seed(1)
    module = TwoBranches()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    drop_in = pl.compile(module, loss=(None, nn.MSELoss()), optimizer=optimizer)
    before = module.kind.weight.detach().clone()
    drop_in.train_step(batch(), (None, targets()[1]))
    drop_in.synchronize()
    torch.testing.assert_close(drop_in.kind.weight, before)
    assert not torch.equal(drop_in.place.weight, TwoBranches().place.weight)


class Siamese(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 3), nn.Tanh())

    def forward(self, left: Any, right: Any) -> Any:
        return (self.encoder(left) - self.encoder(right)) ** 2


def test_one_encoder_for_two_inputs() -> None:
    torch.manual_seed(0)
    module, x = Siamese(), [torch.randn(5, 4), torch.randn(5, 4)]
    drop_in = pl.compile(Siamese())
    drop_in.load_state_dict(module.state_dict())
    for one in (module, drop_in):
        one(*x).sum().backward()
    torch.testing.assert_close(drop_in(*x), module(*x), rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(drop_in.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-3, atol=1e-4)


class Odd(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.dense = kind, nn.Linear(3, 3)

    def forward(self, x: Any, y: Any) -> Any:
        z = self.dense(x)
        if self.kind == "unread":
            return z
        return (z + y, z + y) if self.kind == "constant" else [z + y]


@pytest.mark.parametrize(
    ("module", "inputs", "sentence"),
    [
        (Odd("unread"), [(2, 3), (2, 3)], "every input must be read; got"),
        (Odd("list"), [(2, 3), (4, 3)], "equally many examples; got 2, 4"),
        (Odd("list"), [(2, 3)], "compile: "),
    ],
)
def test_what_does_not_fit_is_refused(
    module: Any, inputs: list[tuple[int, int]], sentence: str
) -> None:
    with pytest.raises(ExchangeError, match=sentence):
        pl.compile(module)(*(torch.ones(shape) for shape in inputs))


@pytest.mark.parametrize(
    ("losses", "y", "sentence"),
    [
        (nn.MSELoss(), targets(), "losses must be 2, one for each output"),
        ((nn.MSELoss(),), targets(), "losses must be 2, one for each output"),
        ((nn.CrossEntropyLoss(), nn.MSELoss()), targets()[0], "targets must be 2, one"),
    ],
)
def test_losses_and_targets_go_by_output(losses: Any, y: Any, sentence: str) -> None:
    module = TwoBranches()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    drop_in = pl.compile(module, loss=losses, optimizer=optimizer)
    with pytest.raises(ExchangeError, match=sentence):
        drop_in.train_step(batch(), y)
