"""The engine's passes as operators of PyTorch's autograd."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pellucid.errors import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable

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
    def forward(ctx: Any, shape: CompiledShape, *tensors: Any) -> Any:
        """Return the outputs; PyTorch holds what backward needs as long as it does.

        ``tensors`` are the inputs, then the parameters.
        """
        count = len(shape.traced.entries)
        inputs, parameters = tensors[:count], tensors[count:]
        wants = any(ctx.needs_input_grad[1 : 1 + count])
        outputs, saved = shape.forward(inputs, input_gradient=wants)
        token = np.zeros(1, np.float32)
        # PyTorch frees its saved tensors after backward: so does the engine then
        weakref.finalize(token, saved.release).atexit = False
        ctx.save_for_backward(torch.from_numpy(token), *parameters)
        ctx.shape, ctx.saved, ctx.count = shape, saved, count
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradients with respect to the inputs and the parameters."""
        _refuse_second_derivatives()
        _, *parameters = ctx.saved_tensors  # refuses parameters changed in place
        needed = ctx.needs_input_grad[1 + ctx.count :]
        return None, *ctx.shape.backward(ctx.saved, grad_outputs, parameters, needed)


class PredictionPass(torch.autograd.Function):
    """A prediction; should backward come, it runs the forward pass of evaluation."""

    @staticmethod
    def forward(
        ctx: Any, shape: CompiledShape, then: Callable[[], None], *tensors: Any
    ) -> Any:
        """Return the outputs; ``tensors`` are the inputs, then the parameters.

        ``then`` is called by each backward pass.
        """
        ctx.save_for_backward(*tensors)
        ctx.shape, ctx.then, ctx.count = shape, then, len(shape.traced.entries)
        return tuple(shape.predict(tensors[: ctx.count]))

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return the gradients with respect to the inputs and the parameters."""
        _refuse_second_derivatives()
        count, saved = ctx.count, ctx.saved_tensors
        inputs, parameters = saved[:count], saved[count:]
        needed = ctx.needs_input_grad[2:]
        ctx.then()
        found = ctx.shape.pull_back(inputs, grad_outputs, parameters, needed[count:])
        grads = (
            grad if is_needed else None
            for grad, is_needed in zip(found, needed[:count], strict=False)
        )
        return None, None, *grads, *found[count:]
