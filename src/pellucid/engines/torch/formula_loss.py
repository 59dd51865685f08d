"""Losses of formulas and of NumPy functions on PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pellucid.engines.torch.pointwise import OPERATORS as ELEMENTWISE
from pellucid.network.expression import run
from pellucid.objectives import FormulaLoss, NumpyLoss

#: PyTorch's function for each operator, over tensors (N, positions, channels)
OPERATORS: dict[str, Callable[..., Any]] = ELEMENTWISE | {
    "largest_channel": lambda x: x.amax(2, keepdim=True),
    "sum": lambda x: x.sum((1, 2), keepdim=True),
    "sum_channels": lambda x: x.sum(2, keepdim=True),
    "sum_positions": lambda x: x.sum(1, keepdim=True),
}


def losses_of(loss: FormulaLoss | NumpyLoss, z: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each example, whose gradient is the loss's own.

    Parameters
    ----------
    loss : FormulaLoss or NumpyLoss
    z : Tensor, shape (N, C, H, W) or (N, …)
        As the module has it.
    labels : Tensor
        As `arranged_labels` returns them.

    Returns
    -------
    Tensor, shape (N,)
    """
    z = z.movedim(1, -1) if z.ndim == 4 else z
    made: Any = _formula if isinstance(loss, FormulaLoss) else _called_back
    apply: Any = _WithGradient.apply
    each: Tensor = apply(z, labels, loss, made)
    return each


def _formula(loss: FormulaLoss, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    program = loss.program(tuple(z.shape[1:]))
    flat = z.reshape(len(z), -1, z.shape[-1])
    done = run(
        program,
        OPERATORS,
        {"output": flat, "target": labels},
        lambda number, like: torch.full(
            (), number, dtype=like.dtype, device=like.device
        ),
    )
    grad = torch.zeros_like(flat)
    for start, stop, i in program.gradients:
        grad[..., start:stop] += done[i]
    return done[program.loss].reshape(-1).expand(len(z)), grad.reshape(z.shape)


def _called_back(loss: NumpyLoss, z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    found = loss.each(z.detach().cpu().numpy(), labels.cpu().numpy())
    each, grad = (torch.as_tensor(a, dtype=z.dtype, device=z.device) for a in found)
    return each, grad


class _WithGradient(torch.autograd.Function):
    """A loss of each example and its gradient, made together."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, labels: Tensor, loss: Any, made: Any) -> Tensor:
        each, grad = made(loss, z, labels)
        ctx.save_for_backward(grad)
        return each.clone()  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (grad,) = ctx.saved_tensors
        shape = (-1, *[1] * (grad.ndim - 1))
        return grad_outputs[0].reshape(shape) * grad, None, None, None
