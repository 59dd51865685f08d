"""What modules and inputs must be before the engine runs them."""

from __future__ import annotations

from typing import Any

import torch

from pellucid.drop_in.torch.compiled_shape import CompiledShape
from pellucid.drop_in.torch.modes import has_hooks
from pellucid.errors import ExchangeError


def all_tensors(module: Any) -> dict[str, Any]:
    """Return parameters and buffers; a tensor of several names by each of them."""
    parameters = module.named_parameters(remove_duplicate=False)
    return dict((*parameters, *module.named_buffers(remove_duplicate=False)))


def check_tensors(module: Any) -> None:
    """Refuse tensors that the engine cannot hold, or cannot give gradients of."""
    for name, tensor in all_tensors(module).items():
        is_float = tensor.is_floating_point()
        if tensor.device.type != "cpu" or (is_float and tensor.dtype != torch.float32):
            raise ExchangeError(
                f"compile: tensor '{name}' must be float32 on the CPU; got "
                f"{tensor.dtype} on {tensor.device}."
            )
    for name, part in module.named_modules():
        for attribute, value in vars(part).items():
            if isinstance(value, torch.Tensor) and value.requires_grad:
                raise ExchangeError(
                    "compile: tensors that need gradients must be parameters; got "
                    f"'{f'{name}.{attribute}'.lstrip('.')}', a plain attribute."
                )


def as_inputs(given: Any) -> tuple[Any, ...]:
    """Return one input or several as a tuple."""
    return tuple(given) if isinstance(given, tuple | list) else (given,)


def check_inputs(inputs: tuple[Any, ...]) -> None:
    """Refuse inputs that are no batches of float32, or not of one length."""
    for x in inputs:
        _check_input(x)
    counts = [len(x) for x in inputs]
    if len(set(counts)) > 1:
        raise ExchangeError(
            "compile: all inputs must have equally many examples; got "
            f"{', '.join(map(str, counts))}."
        )


def _check_input(x: Any) -> None:
    if not isinstance(x, torch.Tensor):
        raise ExchangeError(
            f"compile: the input must be a tensor of PyTorch; got {type(x).__name__}."
        )
    if x.device.type != "cpu" or x.dtype != torch.float32 or x.dim() < 2:
        is_float = x.is_floating_point()
        advice = "" if is_float else " No layer here reads integers, as nn.Embedding."
        raise ExchangeError(
            "compile: the input must be a batch of float32 on the CPU; got "
            f"{x.dtype} of shape {tuple(x.shape)} on {x.device}.{advice}"
        )


def check_unhooked(drop_in: Any, optimizer: Any) -> None:
    """Refuse hooks that a training step would have to run, as it runs none."""
    own = __package__ or ""
    before = optimizer._optimizer_step_pre_hooks.values()
    if has_hooks(drop_in):
        where = "the module"
    elif optimizer._optimizer_step_post_hooks or any(
        not hook.__module__.startswith(own) for hook in before
    ):
        where = "the optimizer"
    else:
        return
    raise ExchangeError(
        f"compile: train_step must find no hooks on {where}, as it runs none; got "
        "some. Train by your own loop instead."
    )


def check_trainable(shape: CompiledShape, trained: dict[str, Any]) -> None:
    """Refuse to train what a training step would train otherwise than PyTorch.

    Those are parameters with hooks, and weights that PyTorch trains as several, or
    several as one.
    """
    hooked = [
        name
        for name, parameter in trained.items()
        if parameter._backward_hooks or parameter._post_accumulate_grad_hooks
    ]
    if hooked:
        raise ExchangeError(
            "compile: train_step must find no hooks on parameters, as it runs none; "
            f"got some on '{hooked[0]}'. Train by your own loop instead."
        )
    shared = shape.copies.shared
    if shared:
        raise ExchangeError(
            "compile: layers that share a weight must share all of theirs in "
            f"train_step; got '{shared[0]}' shared. Train by your own loop instead."
        )
    summed = [name for name in shape.copies.summed if name in trained]
    if summed:
        raise ExchangeError(
            "compile: a weight must be one tensor in train_step; got the sum of "
            f"{' and '.join(summed[:2])}, as nn.LSTM and nn.RNN have it without "
            "bias=False. Train by your own loop instead."
        )
