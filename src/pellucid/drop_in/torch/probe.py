"""Compare the engine's prediction with the module's before it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree

from pellucid.drop_in.torch.compiled_shape import CompiledShape
from pellucid.drop_in.torch.modes import Modes
from pellucid.drop_in.torch.trace import Shapes, in_mode
from pellucid.errors import ExchangeError

_TOLERANCE = 1e-4


def check_prediction(
    source: Any, shape: CompiledShape, tensors: Mapping[str, Any], shapes: Shapes
) -> None:
    """Compare predictions of a random batch, with other weights and with the module's.

    Parameters
    ----------
    source : nn.Module
        The module itself.
    shape : CompiledShape
        What is to run it.
    tensors : mapping of str to Tensor
        Those that the network has weights of.
    shapes : tuple of tuple of int
        Those of the inputs, their batches left out.

    Raises
    ------
    ExchangeError
        If they differ.
    """
    random = np.random.default_rng(20)
    images = tuple(
        torch.from_numpy(random.normal(0.3, 1.5, (2, *one)).astype(np.float32))
        for one in shapes
    )
    for given in (_moved(tensors), tensors):
        shape.take(given)
        with torch.no_grad(), in_mode(source, Modes(False)):
            expected = torch.func.functional_call(source, dict(given), images)
            found = shape.finish(shape.predict(images))
        pairs = zip(*map(pytree.tree_leaves, (found, expected)), strict=True)
        for one, other in pairs:
            if given is tensors or bool(other.isfinite().all()):
                _check_same(one, other)


def _moved(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return other values for tensors, none all zero: a head of zeros hides the rest.

    Those of buffers are positive, as variances must be.
    """
    generator = torch.Generator().manual_seed(20)
    found = {}
    for name, tensor in tensors.items():
        values = tensor.detach()
        if values.any():
            factors = torch.empty(values.shape).uniform_(0.5, 1.5, generator=generator)
            values = values * factors
        else:
            size = max(values[0].numel() if values.dim() > 1 else 16, 1)
            values = torch.empty(values.shape).normal_(generator=generator) / size**0.5
        is_buffer = not isinstance(tensor, torch.nn.Parameter)
        found[name] = values.abs() if is_buffer else values
    return found


def _check_same(found: Any, expected: Any) -> None:
    scale = float(expected.abs().max()) or 1.0
    error = float((found - expected).abs().max()) if expected.numel() else 0.0
    if found.shape != expected.shape or not error <= _TOLERANCE * scale:
        raise ExchangeError(
            "compile: the engine must give the module's output; got a difference "
            f"of {error:.2g} where outputs reach {scale:.2g}. Does the module run "
            "the same operators in training and in evaluation?"
        )
