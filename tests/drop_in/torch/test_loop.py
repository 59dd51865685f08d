"""The user's own training loop on a drop-in."""

from __future__ import annotations

import copy
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl

from .modules import Classifier, Residual, batch, twins


@pytest.fixture(scope="module")
def drop_in() -> Any:
    """A drop-in whose engine is compiled; tests take its state from a module."""
    torch.manual_seed(1)
    return pl.compile(Classifier(), threads=1)


@pytest.fixture
def pair(drop_in: Any) -> tuple[Any, Any]:
    """A module and the drop-in with its weights, both in training."""
    module = Classifier()
    drop_in.load_state_dict(module.state_dict())
    drop_in.zero_grad()
    return module.train(), drop_in.train()


def close(found: Any, wanted: Any, tolerance: float = 1e-5) -> None:
    assert found.shape == wanted.shape
    scale = float(wanted.abs().max()) or 1.0
    assert float((found - wanted).abs().max()) <= tolerance * scale


def test_gradients_are_pytorchs(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, y = batch()
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    for one, given in zip(pair, inputs, strict=True):
        F.nll_loss(one(given), y).backward()
    close(inputs[1].grad, inputs[0].grad, 1e-4)
    for (name, mine), (other, theirs) in zip(
        drop_in.named_parameters(), module.named_parameters(), strict=True
    ):
        assert name == other
        close(mine.grad, theirs.grad, 1e-4)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_twenty_steps_of_a_loop_are_pytorchs(
    pair: tuple[Any, Any], same_state: Any, kind: str
) -> None:
    losses: list[list[float]] = [[], []]
    batches = [batch(6 if i % 5 else 4) for i in range(20)]
    for one, found in zip(pair, losses, strict=True):
        parameters = one.parameters()
        if kind == "sgd":
            optimizer: Any = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
        else:
            optimizer = torch.optim.AdamW(parameters, lr=3e-3)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 7, gamma=0.5)
        for x, y in batches:
            optimizer.zero_grad()
            loss = F.nll_loss(one(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(one.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            found.append(float(loss.detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    same_state(pair[1], pair[0])


def test_evaluation_is_the_modules(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, _ = batch()
    for one in pair:
        one(x)  # moves the running statistics
        one.eval()
    with torch.no_grad():
        close(drop_in(x), module(x))
    assert not drop_in(x).requires_grad or drop_in(x).grad_fn is not None
    for one in pair:  # a backward pass through evaluation, too
        one.zero_grad()
        one(x).square().sum().backward()
    close(drop_in.fc2.weight.grad, module.fc2.weight.grad, 1e-4)


def test_gradients_add_up_over_passes_that_overlap(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    (x, y), (u, v) = batch(), batch()
    for one in pair:
        one.norm.momentum = 0.1
        first = F.nll_loss(one(x), y)
        second = F.nll_loss(one(u), v)
        first.backward(retain_graph=True)
        second.backward()
        first.backward()
    close(drop_in.conv1.weight.grad, module.conv1.weight.grad, 1e-4)


def test_a_freed_graph_and_changed_parameters_are_refused_as_pytorch_does(
    pair: tuple[Any, Any],
) -> None:
    _, drop_in = pair
    x, y = batch()
    loss = F.nll_loss(drop_in(x), y)
    loss.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()
    loss = F.nll_loss(drop_in(x), y)
    with torch.no_grad():
        drop_in.conv1.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_all_changes_in_place_are_seen(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, _ = batch()
    kept = [one.fc1.weight for one in pair]
    for one in pair:
        one.eval()
    with torch.no_grad():
        drop_in(x)
        for one in pair:
            one.fc2.bias.add_(torch.arange(5.0))
        close(drop_in(x), module(x))
        for one in pair:  # which PyTorch does not count
            one.fc2.bias.data.mul_(-1.0)
        close(drop_in(x), module(x))
        for one in pair:
            for parameter in one.parameters():
                parameter.data.clamp_(-0.05, 0.05)
        close(drop_in(x), module(x))
        for tensor in kept:
            tensor.data.neg_()
        drop_in.refresh()  # as nothing of the drop-in was asked for
        close(drop_in(x), module(x))
        for one in pair:
            one.fc1.weight.data = torch.full_like(one.fc1.weight, 0.01)
            one.train()
        close(drop_in(x), module(x), 1e-4)
        for tensor in kept:
            tensor.data.uniform_(
                -0.02, 0.02, generator=torch.Generator().manual_seed(3)
            )
        close(drop_in(x), module(x), 1e-4)  # in training tensors are always compared


def test_a_loop_in_evaluation_may_write_to_data(pair: tuple[Any, Any]) -> None:
    x, y = batch()
    losses = []
    for one in pair:
        parameters = list(one.eval().parameters())
        for _ in range(3):
            loss = F.nll_loss(one(x), y)
            grads = torch.autograd.grad(loss, parameters)
            for parameter, grad in zip(parameters, grads, strict=True):
                parameter.data -= 0.1 * grad  # which PyTorch does not count
        losses.append(loss.detach())
    close(losses[1], losses[0])


def test_memory_of_other_data_is_not_taken_for_the_old(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, _ = batch()
    kept = [one.eval().fc2.bias for one in pair]
    with torch.no_grad():
        drop_in(x)
        for i in range(3):
            address = kept[1].data_ptr()
            for factor in (1.0, 2.0):  # memory that is freed would be given again
                for bias in kept:
                    bias.data = torch.arange(5.0) * (i + factor)
            assert kept[1].data_ptr() != address
            close(drop_in(x), module(x))


def test_parts_by_index_or_in_a_loop_are_seen_and_slices_are_plain() -> None:
    module = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3)).eval()
    drop_in: Any = pl.compile(copy.deepcopy(module), threads=1)
    x = torch.randn(5, 4)
    with torch.no_grad():
        drop_in(x)
        for one in (module, drop_in):
            one[2].bias.data.fill_(3.0)
        close(drop_in(x), module(x))
        for one in (module, drop_in):
            for part in one:
                if isinstance(part, nn.Linear):
                    part.weight.data.mul_(0.5)
        close(drop_in(x), module(x))
        assert type(drop_in[:2]) is nn.Sequential
        assert torch.equal(drop_in[:2](x), module[:2](x))
        drop_in[1:].train()
        assert drop_in[2].training
        assert not drop_in[0].training


def test_memory_of_gradients_is_used_again_when_nobody_has_them() -> None:
    drop_in: Any = pl.compile(nn.Linear(4, 3), threads=1)
    x = torch.randn(5, 4)

    def address() -> int:
        drop_in.zero_grad()
        drop_in(x).sum().backward()
        return int(drop_in.weight.grad.data_ptr())

    first, kept = address(), drop_in.weight.grad.view(-1)[1:]
    others = [address() for _ in range(3)]
    assert first not in others
    del kept
    assert len({address() for _ in range(4)} | set(others)) <= 2


def test_gradients_that_are_kept_stay_as_they_are(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, y = batch()
    F.nll_loss(drop_in(x), y).backward()
    kept = [parameter.grad for parameter in drop_in.parameters()]
    copies = [grad.clone() for grad in kept]
    for _ in range(3):
        drop_in.zero_grad()
        F.nll_loss(drop_in(-x), y).backward()
    assert all(map(torch.equal, kept, copies))
    for _ in range(2):  # added up where nobody sets them to zero
        F.nll_loss(drop_in(x), y).backward()
    F.nll_loss(module(-x), y).backward()
    for _ in range(2):
        F.nll_loss(module(x), y).backward()
    for mine, theirs in zip(drop_in.parameters(), module.parameters(), strict=True):
        assert mine.grad.is_contiguous()
        close(mine.grad, theirs.grad, 1e-3)


def test_threads_get_the_gradients_of_their_own_passes(pair: tuple[Any, Any]) -> None:
    _, drop_in = pair
    drop_in.eval()  # statistics stay
    parameters = list(drop_in.parameters())
    inputs = [batch()[0] * scale for scale in (0.5, 1.0, 2.0)]

    def gradients(x: Any) -> list[Any]:
        loss = drop_in(x).square().mean()
        return list(torch.autograd.grad(loss, parameters))

    wanted = [gradients(x) for x in inputs]
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(gradients, inputs * 5))
    for i, grads in enumerate(found):
        for mine, theirs in zip(grads, wanted[i % 3], strict=True):
            close(mine, theirs, 1e-4)


def test_threads_may_bring_the_first_batch_at_once() -> None:
    drop_in: Any = pl.compile(nn.Linear(4, 3), threads=1).eval()
    x = torch.randn(5, 4)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(drop_in, [x] * 8))
    wanted = F.linear(x, drop_in.weight, drop_in.bias).detach()
    for output in found:
        close(output.detach(), wanted)


def test_lbfgs_takes_pytorchs_steps(pair: tuple[Any, Any], same_state: Any) -> None:
    x, y = batch()
    for one in pair:
        optimizer = torch.optim.LBFGS(one.parameters(), lr=0.1, max_iter=3)

        def closure(one: Any = one, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = F.nll_loss(one(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)
    same_state(pair[1], pair[0])


def test_batch_norm_takes_the_mean_of_all_batches(same_state: Any) -> None:
    module, twin = twins(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))
    drop_in = pl.compile(twin, threads=1)
    batches = [torch.randn(5, 3) + i for i in range(4)]
    for one in (module, drop_in):
        one(batches[0])  # by momentum, until then
        torch.optim.swa_utils.update_bn(batches, one)
    same_state(drop_in, module)
    for one in (module, drop_in):
        one[1].momentum = None
        for i, x in enumerate(batches[:3]):
            one.train(i != 1)(x).square().mean().backward()
    same_state(drop_in, module)
    close(drop_in[0].weight.grad, module[0].weight.grad, 1e-4)


def test_what_trains_first_compiles_no_prediction() -> None:
    drop_in = pl.compile(nn.Linear(3, 2), threads=1)
    drop_in(torch.rand(4, 3)).sum().backward()
    (shape,) = drop_in._pellucid._shapes.values()
    assert [purpose.kind for purpose in shape.session._programs] == ["halves"]
    drop_in.eval()(torch.rand(4, 3))
    assert {purpose.kind for purpose in shape.session._programs} > {"predict"}


@pytest.mark.parametrize("trains", [True, False])
def test_a_module_that_is_another_when_it_is_traced_is_refused(trains: bool) -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x: Any) -> Any:
            is_traced = torch.compiler.is_compiling()
            return (torch.relu if is_traced else torch.tanh)(self.linear(x))

    drop_in = pl.compile(Two().train(trains), threads=1)
    with pytest.raises(pl.ExchangeError, match="must give the module's output"):
        drop_in(torch.rand(4, 3))


def test_frozen_parameters_get_no_gradient(pair: tuple[Any, Any]) -> None:
    module, drop_in = pair
    x, y = batch()
    for one in pair:
        one.conv1.requires_grad_(False)
        F.nll_loss(one(x), y).backward()
    assert drop_in.conv1.weight.grad is None
    close(drop_in.fc1.weight.grad, module.fc1.weight.grad, 1e-4)
    drop_in.conv1.requires_grad_(True)


def test_a_drop_in_is_the_modules_class_with_its_tensors() -> None:
    module = Classifier().eval()
    drop_in = pl.compile(module)
    assert isinstance(drop_in, Classifier)
    assert list(drop_in.state_dict()) == list(module.state_dict())
    pairs = zip(drop_in.parameters(), module.parameters(), strict=True)
    assert all(mine is theirs for mine, theirs in pairs)
    drop_in.train()
    assert not any(part.training for part in module.modules())
    drop_in.eval()
    module.train()
    assert not any(part.training for part in drop_in.modules())


def test_copies_and_files_hold_the_weights(drop_in: Any) -> None:
    drop_in.eval()
    x, _ = batch()
    other = copy.deepcopy(drop_in)
    assert other.fc1.weight is not drop_in.fc1.weight
    assert torch.equal(other.fc1.weight, drop_in.fc1.weight)
    buffer = io.BytesIO()
    torch.save(drop_in.state_dict(), buffer)
    buffer.seek(0)
    module = Classifier()
    module.load_state_dict(torch.load(buffer, weights_only=True))
    with torch.no_grad():
        close(module.eval()(x), drop_in(x))


def test_shortcuts_tied_layers_groups_and_images(same_state: Any) -> None:
    module, twin = twins(Residual())
    drop_in = pl.compile(twin, threads=1)
    for one in (module, drop_in):
        optimizer = torch.optim.SGD(one.parameters(), lr=0.1)
        torch.manual_seed(5)
        for _ in range(3):
            x = torch.randn(2, 4, 6, 5)
            optimizer.zero_grad()
            one(x).square().mean().backward()
            optimizer.step()
    assert drop_in.unused.grad is None
    same_state(drop_in, module)
    close(drop_in.eval()(x).detach(), module.eval()(x).detach())


def test_dropout_draws_other_masks_each_time_and_none_in_evaluation() -> None:
    drop_in = pl.compile(Classifier(rate=0.5), threads=1)
    x, _ = batch()
    first, second = drop_in(x), drop_in(x)
    assert float((first - second).detach().abs().max()) > 1e-3
    drop_in.eval()
    with torch.no_grad():
        assert torch.equal(drop_in(x), drop_in(x))


def test_functional_call_takes_other_tensors_and_gives_them_gradients(
    pair: tuple[Any, Any],
) -> None:
    fresh = nn.Linear(3, 2)
    rows = torch.randn(4, 3)
    for one, x in ((pair, batch()[0]), ((fresh, pl.compile(fresh, threads=1)), rows)):
        found = []
        for module in one:
            others = {
                name: (1.5 * parameter.detach()).requires_grad_()
                for name, parameter in module.named_parameters()
            }
            output = torch.func.functional_call(module, others, (x,))
            loss = output.square().mean()
            found.append(torch.autograd.grad(loss, list(others.values())))
        for mine, theirs in zip(found[1], found[0], strict=True):
            close(mine, theirs, 1e-4)
    close(one[1](rows).detach(), fresh(rows).detach())  # and with its own again


def test_transforms_of_functions_are_refused() -> None:
    drop_in: Any = pl.compile(nn.Linear(3, 2), threads=1)
    with pytest.raises(pl.ExchangeError, match=r"outside of torch\.func's transforms"):
        torch.func.grad(lambda x: drop_in(x).sum())(torch.randn(4, 3))


@pytest.mark.parametrize("trains", [True, False])
def test_weights_that_are_no_numbers_give_none(trains: bool) -> None:
    drop_in: Any = pl.compile(nn.Linear(3, 2), threads=1).train(trains)
    kept = copy.deepcopy(drop_in.state_dict())
    x = torch.randn(4, 3)
    with torch.no_grad():
        drop_in.weight.fill_(torch.nan)
        assert drop_in(x).isnan().all()
        drop_in.load_state_dict(kept)
        close(drop_in(x), F.linear(x, kept["weight"], kept["bias"]))
