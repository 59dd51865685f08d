"""torch.compile with our backend, and modules of which parts run on the engine."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.drop_in.torch.dynamo import backend
from pellucid.errors import ExchangeError


class Broken(nn.Module):
    """Two parts that the engine runs, around an operator that it has not."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = self.front(x)
        torch._dynamo.graph_break()
        x = torch.cumsum(x, 1)
        torch._dynamo.graph_break()
        return self.head(x)


def train(module: Any) -> list[float]:
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-3)
    torch.manual_seed(3)
    losses = []
    for count in (4, 4, 3):
        optimizer.zero_grad()
        loss = module(torch.randn(count, 6)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_graphs_run_on_the_engine_or_on_pytorch_and_say_so(
    capfd: pytest.CaptureFixture[str], same_state: Any
) -> None:
    module = Broken()
    twin = copy.deepcopy(module)
    torch._dynamo.reset()
    compiled = torch.compile(twin, backend=backend)
    assert train(compiled) == pytest.approx(train(module), rel=1e-4)
    same_state(twin, module)
    said = capfd.readouterr().err
    assert "runs on the compiled engine" in said
    assert "a graph of 1 operators runs on PyTorch: import: aten.cumsum" in said
    x = torch.randn(2, 6)
    with torch.no_grad():
        wanted = module.eval()(x)
        difference = compiled.eval()(x) - wanted
    assert float(difference.abs().max()) < 1e-4 * float(wanted.abs().max())
    torch._dynamo.reset()


def test_the_backend_is_an_entry_point() -> None:
    project = tomllib.loads(
        (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")
    )
    points = project["project"]["entry-points"]["torch_dynamo_backends"]
    assert points == {"pellucid": f"{backend.__module__}:{backend.__name__}"}


def test_parts_run_on_the_engine_where_the_whole_cannot(
    capfd: pytest.CaptureFixture[str], same_state: Any
) -> None:
    module = Broken()
    twin = copy.deepcopy(module)
    mixed = pl.compile(twin, partial=True, example=torch.zeros(1, 6))
    said = capfd.readouterr().err
    assert "compile: front, head run on the compiled engine, the rest" in said
    assert "cumsum" in said
    assert train(mixed) == pytest.approx(train(module), rel=1e-4)
    same_state(mixed, module)


def test_partial_needs_an_example_and_a_part() -> None:
    with pytest.raises(ExchangeError, match="must come with example"):
        pl.compile(Broken(), partial=True)
    with pytest.raises(ExchangeError, match="without loss and optimizer"):
        pl.compile(Broken(), partial=True, loss=nn.MSELoss())

    class Lone(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.cumsum(x, 1)

    with pytest.raises(ExchangeError, match="cumsum"):
        pl.compile(Lone(), partial=True, example=torch.zeros(2, 3))


class Pairs(nn.Module):
    """Graphs of two inputs and of two outputs, with shared weights, around a break."""

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, a: Any, b: Any) -> dict[str, Any]:
        a, b = self.front(a), self.front(b)
        torch._dynamo.graph_break()
        return {"head": self.head(a - b), "sum": a + b}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_graphs_may_have_several_inputs_and_outputs(
    capfd: pytest.CaptureFixture[str], same_state: Any
) -> None:
    module = Pairs()
    twin = copy.deepcopy(module)
    torch._dynamo.reset()
    compiled = torch.compile(twin, backend=backend)

    def train_pairs(module: Any) -> list[float]:
        optimizer = torch.optim.SGD(module.parameters(), lr=1e-2)
        torch.manual_seed(3)
        losses = []
        for count in (4, 3):
            optimizer.zero_grad()
            a, b = torch.randn(2, count, 6)
            loss = sum(y.square().mean() for y in module(a, b).values())
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        return losses

    assert train_pairs(compiled) == pytest.approx(train_pairs(module), rel=1e-4)
    same_state(twin, module)
    said = capfd.readouterr().err
    assert "runs on PyTorch" not in said
    assert said.count("runs on the compiled engine") >= 2
    torch._dynamo.reset()
