"""PyTorch's own samples of its modules, through drop-ins in both modes."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

import pellucid as pl

common = pytest.importorskip("torch.testing._internal.common_modules")

#: layers that we claim; of their samples, those that are batches of float32
CLAIMED: list[Any] = [
    nn.AvgPool2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose2d,
    nn.ELU,
    nn.GELU,
    nn.GroupNorm,
    nn.Hardswish,
    nn.LayerNorm,
    nn.LeakyReLU,
    nn.Linear,
    nn.LogSoftmax,
    nn.MaxPool2d,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softmax,
    nn.Softplus,
    nn.Tanh,
]


def samples(kind: Any, training: bool) -> list[Any]:
    """Return PyTorch's samples of a module that is called with one tensor."""
    (info,) = (found for found in common.module_db if found.module_cls is kind)
    found = info.module_inputs_func(
        info,
        device="cpu",
        dtype=torch.float32,
        requires_grad=False,
        training=training,
    )
    return [
        sample
        for sample in found
        if sample.forward_input is not None
        and [type(x) for x in sample.forward_input.args] == [torch.Tensor]
        and not sample.forward_input.kwargs
    ]


def error(found: Any, wanted: Any) -> float:
    if not wanted.numel():
        return 0.0 if found.shape == wanted.shape else 1.0
    difference = (found.detach() - wanted.detach()).abs().max()
    return float(difference / (wanted.detach().abs().max() + 1e-3))


@pytest.mark.sweep(every=39)
@pytest.mark.filterwarnings("ignore")  # of PyTorch, about odd samples
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("kind", CLAIMED, ids=lambda kind: kind.__name__)
def test_samples_of_pytorch_pass_or_are_refused_by_name(
    kind: Any, training: bool
) -> None:
    passed = 0
    for sample in samples(kind, training):
        arguments = sample.constructor_input
        module = kind(*arguments.args, **arguments.kwargs).train(training)
        drop_in = pl.compile(copy.deepcopy(module), threads=1).train(training)
        inputs = [
            sample.forward_input.args[0].clone().requires_grad_() for _ in range(2)
        ]
        try:
            found = drop_in(inputs[0])
        except pl.ExchangeError:  # a sample without a batch, or of rare options
            continue
        wanted = module(inputs[1])
        assert error(found, wanted) < 1e-5
        grads = torch.randn_like(wanted)
        found.backward(grads)
        wanted.backward(grads)
        pairs = zip(
            [inputs[0], *drop_in.parameters()],
            [inputs[1], *module.parameters()],
            strict=True,
        )
        for mine, theirs in pairs:
            assert error(mine.grad, theirs.grad) < 1e-4
        passed += 1
    assert passed


@pytest.mark.sweep(every=23)
@pytest.mark.filterwarnings("ignore")  # of PyTorch, about odd samples
@pytest.mark.parametrize("kind", CLAIMED, ids=lambda kind: kind.__name__)
def test_samples_of_pytorch_come_in_or_are_refused_by_name(kind: Any) -> None:
    """Read as a module, they give PyTorch's outputs on numpy and compiled."""
    passed = 0
    for sample in samples(kind, training=False):
        arguments, x = sample.constructor_input, sample.forward_input.args[0]
        module = kind(*arguments.args, **arguments.kwargs).eval()
        shape = (*x.shape[2:], *x.shape[1:2])
        for engine in ("numpy", "compiled"):
            try:
                model = pl.exchange.read(module, engine=engine, input_shape=shape)
            except pl.PellucidError:
                continue
            found = torch.from_numpy(model.predict(x.movedim(1, -1).numpy()))
            wanted = module(x)
            back = found.movedim(-1, 1) if found.ndim == wanted.ndim else found
            assert error(back.reshape(wanted.shape), wanted) < 1e-5
            passed += 1
    assert passed
