"""Modules with rounded weights, and the gradient that passes straight through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class FakeQuantized(nn.Module):
    """A convolution or dense layer that computes with a rounded weight.

    Its parameters are the module's own, unrounded.
    """

    module: nn.Module
    weight: Tensor
    bias: Tensor | None

    def __init__(self, module: Any, most: int) -> None:
        super().__init__()
        self.weight, self.bias = module.weight, module.bias
        self.most = most
        object.__setattr__(self, "module", module)  # whose parameters are here already

    def extra_repr(self) -> str:
        """Return what is between the parentheses of the module's text."""
        return f"{self.module}, most={self.most}"

    def forward(self, x: Tensor) -> Tensor:
        """Round the weight and call the module with it."""
        weight = self._rounded(self.weight.detach())
        if torch.is_grad_enabled() and not torch.compiler.is_exporting():
            apply: Any = _StraightThrough.apply
            weight = apply(self.weight, weight)
        given = {"weight": weight}
        if self.bias is not None:
            given["bias"] = self.bias
        y: Tensor = torch.func.functional_call(self.module, given, (x,))
        return y

    def _rounded(self, weight: Tensor) -> Tensor:
        split, kept = weight, {0}
        if isinstance(self.module, nn.ConvTranspose2d):  # (in, out / groups, kh, kw)
            groups = self.module.groups
            split = weight.reshape(groups, -1, *weight.shape[1:])
            kept = {0, 2}
        axes = [axis for axis in range(split.ndim) if axis not in kept]
        step = split.abs().amax(axes, keepdim=True) * (1 / self.most)
        step = torch.where(step > 0, step, torch.ones_like(step))
        return (torch.round(split / step) * step).reshape(weight.shape)


class _StraightThrough(torch.autograd.Function):
    """The second of two tensors, with the gradient of the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        return grad_outputs[0], None
