"""Expressions by PyTorch's operators, and the module of a pointwise layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.network.expression import Expression, bind
from pellucid.network.layers import HardSigmoid, Pointwise

#: PyTorch's function for each operator
OPERATORS: dict[str, Callable[..., Any]] = {
    "abs": torch.abs,
    "add": torch.add,
    "clip": lambda x, low, high: torch.clamp(x, low, high),
    "divide": torch.divide,
    "erf": torch.erf,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "log": torch.log,
    "log1p": torch.log1p,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "multiply": torch.multiply,
    "negative": torch.negative,
    "normal_cdf": torch.special.ndtr,
    "normal_pdf": lambda x: torch.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)),
    "power": torch.pow,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: torch.relu(x) + torch.log1p(torch.exp(-torch.abs(x))),
    "sqrt": torch.sqrt,
    "subtract": torch.subtract,
    "tanh": torch.tanh,
    "where": torch.where,
}


def function_of(expression: Expression) -> Callable[..., Tensor]:
    """Return an expression as a function of tensors by name."""
    return bind(expression, OPERATORS, _constant)


def _constant(value: float, like: Tensor) -> Tensor:
    return torch.full((), value, dtype=like.dtype, device=like.device)


class PointwiseModule(nn.Module):
    """A function of each element.

    Its gradient is the symbolic derivative: a branch of `where` that is not taken
    then cannot spoil it, as infinity times zero would.
    """

    def __init__(self, layer: Pointwise) -> None:
        super().__init__()
        self.text = repr(layer.expression)
        self.function = function_of(layer.expression)
        self.derivative = function_of(layer.derivative)

    def extra_repr(self) -> str:
        """Return what is between the parentheses of the module's text."""
        return self.text

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        if torch.compiler.is_exporting() or not torch.is_grad_enabled():
            return self.function(x=x)
        apply: Any = _WithDerivative.apply
        y: Tensor = apply(x, self.function, self.derivative)
        return y


class _WithDerivative(torch.autograd.Function):
    """A function and its derivative, both given."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, function: Any, derivative: Any) -> Tensor:
        ctx.save_for_backward(x)
        ctx.derivative = derivative
        return function(x=x)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (x,) = ctx.saved_tensors
        return grad_outputs[0] * ctx.derivative(x=x), None, None


class Hardsigmoid(nn.Hardsigmoid):
    """PyTorch's, but in float64, where its derivative is 1 / 6 of float32."""

    def __init__(self) -> None:
        super().__init__()
        self.exact = PointwiseModule(HardSigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Leave it to PyTorch; in float64, use the expression."""
        y: Tensor = self.exact(x) if x.dtype == torch.float64 else F.hardsigmoid(x)
        return y
