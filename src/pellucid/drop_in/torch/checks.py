"""What modules and inputs must be before the engine runs them."""

from __future__ import annotations

from typing import Any

import torch

from pellucid.drop_in.torch.compiled_shape import CompiledShape
from pellucid.errors import ExchangeError


def mode_of(drop_in: Any) -> bool:
    """Return whether the module trains; its parts must agree, and have no hooks."""
    is_training = bool(drop_in.training)
    for name, part in drop_in.named_modules():
        if part.training is not is_training:
            raise ExchangeError(
                "compile: all parts of the module must be in one mode; got "
                f"'{name}' in {'training' if part.training else 'evaluation'}."
            )
        if name and has_hooks(part):
            raise ExchangeError(
                "compile: parts of the module must have no hooks; got some on "
                f"'{name}'."
            )
    return is_training


def has_hooks(part: Any) -> bool:
    """Whether a part has hooks on its passes."""
    return bool(
        part._forward_hooks
        or part._forward_pre_hooks
        or part._backward_hooks
        or part._backward_pre_hooks
    )


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
        raise ExchangeError(
            "compile: the input must be a batch of float32 on the CPU; got "
            f"{x.dtype} of shape {tuple(x.shape)} on {x.device}."
        )


def check_trainable(shape: CompiledShape, trained: dict[str, Any]) -> None:
    """Refuse to train parameters that stay as they are in PyTorch."""
    shared = shape.copies.shared
    if shared:
        raise ExchangeError(
            "compile: layers that share a weight must share all of theirs in "
            f"train_step; got '{shared[0]}' shared. Train by your own loop instead."
        )
    frozen = [name for name in shape.parameter_names if name not in trained]
    constant = [
        name
        for name in shape.traced.constants
        if name in {w.name for w in shape.traced.network.parameters}
    ]
    if frozen or constant:
        raise ExchangeError(
            "compile: all parameters must train in train_step; got "
            f"{', '.join(frozen or constant)} frozen. Train by your own loop instead."
        )
