"""Expressions by PyTorch's operators, and the module of a pointwise layer."""

from __future__ import annotations

import math
import operator
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
    "add": operator.add,
    "clip": lambda x, low, high: torch.clamp(x, low, high),
    "divide": operator.truediv,
    "erf": torch.erf,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "log": torch.log,
    "log1p": torch.log1p,
    "maximum": lambda x, y: torch.maximum(*_tensors(x, y)),
    "minimum": lambda x, y: torch.minimum(*_tensors(x, y)),
    "multiply": operator.mul,
    "negative": operator.neg,
    "normal_cdf": torch.special.ndtr,
    "normal_pdf": lambda x: torch.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)),
    "power": torch.pow,
    "relu": torch.relu,
    "round": torch.round,
    "sigmoid": torch.sigmoid,
    "softplus": lambda x: torch.relu(x) + torch.log1p(torch.exp(-torch.abs(x))),
    "sqrt": torch.sqrt,
    "subtract": operator.sub,
    "tanh": torch.tanh,
    "where": lambda c, x, y: torch.where(c, *_tensors(x, y)),
}


def function_of(expression: Expression) -> Callable[..., Tensor]:
    """Return an expression as a function of tensors by name."""
    return bind(expression, OPERATORS, _constant, _array)


def _constant(value: float, like: Tensor) -> float:
    """Numbers stay numbers, as people write them; a graph then shows them so."""
    del like
    return value


def _array(value: float, like: Tensor) -> Tensor:
    """Return a number as a tensor of that type."""
    return torch.full((), value, dtype=like.dtype, device=like.device)


def _tensors(x: Tensor | float, y: Tensor | float) -> tuple[Tensor, Tensor]:
    """Return two arguments as tensors, where one is a number."""
    if isinstance(x, Tensor):
        return x, y if isinstance(y, Tensor) else torch.full_like(x, y)
    if isinstance(y, Tensor):
        return torch.full_like(y, x), y
    raise TypeError(f"{x}, {y}")


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


class Clamp(nn.Module):
    """`torch.clamp`, whose derivative at either limit is 1."""

    def __init__(self, minimum: float | None, maximum: float | None) -> None:
        super().__init__()
        self.minimum, self.maximum = minimum, maximum

    def extra_repr(self) -> str:
        """Return what is between the parentheses of the module's text."""
        return f"{self.minimum}, {self.maximum}"

    def forward(self, x: Tensor) -> Tensor:
        """Limit each element."""
        return torch.clamp(x, self.minimum, self.maximum)


class Hardsigmoid(nn.Hardsigmoid):
    """PyTorch's, but in float64, where its derivative is 1 / 6 of float32."""

    def __init__(self) -> None:
        super().__init__()
        self.exact = PointwiseModule(HardSigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Leave it to PyTorch; in float64, use the expression."""
        y: Tensor = self.exact(x) if x.dtype == torch.float64 else F.hardsigmoid(x)
        return y
