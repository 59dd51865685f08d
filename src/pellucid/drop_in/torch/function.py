"""The engine's passes as operators of PyTorch's autograd."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pellucid.errors import ExchangeError

if TYPE_CHECKING:
    from pellucid.drop_in.torch.compiled_shape import CompiledShape


def _refuse_second_derivatives() -> None:
    if torch.is_grad_enabled():
        raise ExchangeError(
            "compile: backward must come without create_graph=True, as the engine has "
            "no derivatives of gradients; got it. Use the module itself there."
        )


class TrainingPass(torch.autograd.Function):
    """A forward pass in training mode; backward computes nothing of it again."""

    @staticmethod
    def forward(ctx: Any, shape: CompiledShape, x: Any, *parameters: Any) -> Any:
        """Return the output; PyTorch holds what backward needs as long as it does."""
        output, saved = shape.forward(x, input_gradient=ctx.needs_input_grad[1])
        token = np.zeros(1, np.float32)
        # PyTorch frees its saved tensors after backward: so does the engine then
        weakref.finalize(token, saved.release).atexit = False
        ctx.save_for_backward(torch.from_numpy(token), *parameters)
        ctx.shape, ctx.saved = shape, saved
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        """Return the gradients with respect to the input and the parameters."""
        _refuse_second_derivatives()
        _, *parameters = ctx.saved_tensors  # refuses parameters changed in place
        needed = ctx.needs_input_grad[2:]
        return None, *ctx.shape.backward(ctx.saved, grad_output, parameters, needed)


class PredictionPass(torch.autograd.Function):
    """A prediction; should backward come, it runs the forward pass of evaluation."""

    @staticmethod
    def forward(ctx: Any, shape: CompiledShape, x: Any, *parameters: Any) -> Any:
        """Return the output."""
        ctx.save_for_backward(x, *parameters)
        ctx.shape = shape
        return shape.predict(x)

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> Any:
        """Return the gradients with respect to the input and the parameters."""
        _refuse_second_derivatives()
        x, *parameters = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:]
        found = ctx.shape.pull_back(x, grad_output, parameters, needed)
        return None, found[0] if ctx.needs_input_grad[1] else None, *found[1:]
