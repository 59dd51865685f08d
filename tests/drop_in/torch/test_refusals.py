"""What a drop-in refuses before anything is computed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pellucid as pl
from pellucid.errors import ExchangeError

from .modules import Classifier, Recurrent, batch


class Calls(nn.Module):
    """A module that is a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.fc, self.function = nn.Linear(4, 4), function

    def forward(self, x: Any) -> Any:
        return self.function(self, self.fc(x))


class Counted(nn.Module):
    """A module that has one operator more in training, of no effect."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        x = torch.relu(self.fc(x))
        return torch.relu(x) if self.training else x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _, x: torch.cumsum(x, 1), "cumsum"),
        (lambda _, x: x if x.sum() > 0 else -x, "one that torch.export takes"),
        (lambda _, x: F.dropout(x, 0.5, training=True), "must follow the module's"),
        (lambda m, x: x * m.fc.weight.sum(), "compile|import"),
        (lambda m, x: F.linear(x, m.fc.weight * 2), "compile|import"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name(
    function: Any, message: str
) -> None:
    with pytest.raises(ExchangeError, match=message):
        pl.compile(Calls(function).eval(), example=torch.zeros(1, 4))


def test_layers_of_two_biases_are_refused_in_train_step() -> None:
    module = Recurrent(nn.RNN)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    fast = pl.compile(module, loss=nn.MSELoss(), optimizer=optimizer)
    with pytest.raises(ExchangeError, match=r"the sum of cells\.bias_ih_l0 and cells"):
        fast.train_step(torch.randn(2, 5, 2), torch.randn(2, 2))


def test_integers_are_refused() -> None:
    module = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(ExchangeError, match=r"got torch\.int64 .* nn\.Embedding"):
        pl.compile(module)(torch.zeros(2, 3, dtype=torch.int64))


def test_other_operators_in_training_than_in_evaluation_are_refused() -> None:
    drop_in = pl.compile(Calls(lambda m, x: torch.relu(x) if m.training else x))
    with pytest.raises(ExchangeError, match="the same operators in training and"):
        drop_in(torch.randn(2, 4))


def test_an_operator_of_no_effect_is_no_other_one() -> None:
    module = Counted()
    drop_in, x = pl.compile(module), torch.randn(2, 4)
    drop_in(x)
    drop_in.eval()
    torch.testing.assert_close(drop_in(x), module.eval()(x))


def test_inputs_and_modules_must_be_float32_on_the_cpu() -> None:
    with pytest.raises(ExchangeError, match="a batch of float32 on the CPU; got"):
        pl.compile(Classifier())(batch()[0].double())
    with pytest.raises(ExchangeError, match=r"tensor 'conv1\.weight' must be float32"):
        pl.compile(Classifier().double(), example=batch()[0])
    with pytest.raises(ExchangeError, match="called with tensors; got Tensor, int"):
        pl.compile(Classifier())(batch()[0], 1)


def test_hooks_on_parts_are_refused() -> None:
    module = Classifier()
    module.fc1.register_forward_hook(lambda *_: None)
    with pytest.raises(ExchangeError, match="no hooks; got some on 'fc1'"):
        pl.compile(module, example=batch()[0])


def test_only_modules_are_taken() -> None:
    with pytest.raises(
        ExchangeError, match=r"must be a torch.nn.Module or a keras.Model; got"
    ):
        pl.compile(object())
    drop_in = pl.compile(Classifier())
    with pytest.raises(ExchangeError, match="must not be a drop-in already"):
        pl.compile(drop_in)


def test_a_batch_of_one_value_per_channel_is_refused_as_pytorch_does() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        pl.compile(module)(torch.randn(1, 3))


def test_a_training_step_refuses_batch_norms_of_the_mean_of_all_batches() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=None))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    drop_in = pl.compile(module, loss=nn.MSELoss(), optimizer=optimizer)
    with pytest.raises(ExchangeError, match="number as momentum in train_step"):
        drop_in.train_step(torch.randn(2, 3), torch.randn(2, 4))


def test_masks_that_are_not_dropouts_are_refused_in_training() -> None:
    def drop(m: Any, x: Any) -> Any:
        mask = x.new_empty(x.shape[0], 1).bernoulli_(0.8) if m.training else 1.0
        return x * mask

    module = Calls(drop)
    with pytest.raises(ExchangeError, match="StochasticDepth and timm's DropPath"):
        pl.compile(module)(torch.randn(2, 4))
    pl.compile(module.eval())(torch.randn(2, 4))


def test_recurrent_cells_with_relu_are_refused() -> None:
    module = nn.Sequential(nn.RNN(3, 2, nonlinearity="relu", batch_first=True))
    with pytest.raises(ExchangeError, match="must have nonlinearity='tanh', as Simple"):
        pl.compile(module)(torch.randn(2, 4, 3))
