"""Compare the engine's prediction with the module's before it is trusted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
import torch.utils._pytree as pytree

from pellucid.drop_in.torch.compiled_shape import CompiledShape, Inputs
from pellucid.drop_in.torch.modes import Modes
from pellucid.drop_in.torch.trace import Shapes, in_mode
from pellucid.engines import make
from pellucid.errors import ExchangeError

_TOLERANCE = 1e-4


def check_network(
    source: Any, shape: CompiledShape, tensors: Mapping[str, Any], shapes: Shapes
) -> None:
    """Compare the network, as it is read and has its weights, with the module.

    The numpy engine predicts: what trains first needs no code for predictions yet.

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

    def predict(images: Inputs) -> Any:
        state = shape.session.state()
        session = make("numpy").build(shape.traced.network, state=state)
        return shape.out(session.predict(shape.images(images)))

    for given in (_moved(tensors, shape.buffers), tensors):
        shape.take(given)
        if _compare(source, predict, given, shapes):
            return
    _refuse_unknown()


def check_prediction(
    source: Any,
    shape: CompiledShape,
    tensors: Mapping[str, Any],
    shapes: Shapes,
    *,
    is_new: bool,
) -> None:
    """Compare the engine's predictions with the module's, with other weights, too.

    Parameters are those of `check_network`. Unless the shape is new, its weights stay
    as they are, for passes that wait for backward.
    """

    def predict(images: Inputs) -> Any:
        return shape.finish(shape.predict(images))

    moved = _moved(tensors, shape.buffers)
    found = []
    for given in (moved, tensors) if is_new else (tensors,):
        shape.take(given)
        found.append(_compare(source, predict, given, shapes))
    if is_new and not any(found):
        _refuse_unknown()


def _compare(
    source: Any,
    predict: Callable[[Inputs], Any],
    given: Mapping[str, Any],
    shapes: Shapes,
) -> bool:
    """Compare outputs of a random batch; return whether all could be compared.

    Where they are infinite or no number, the module's own are as good as any.
    """
    random = np.random.default_rng(20)
    images = tuple(
        torch.from_numpy(random.normal(0.3, 1.5, (2, *one)).astype(np.float32))
        for one in shapes
    )
    with torch.no_grad(), in_mode(source, Modes(False)):
        expected = torch.func.functional_call(source, dict(given), images)
        found = predict(images)
    are_finite = True
    for one, other in zip(*map(pytree.tree_leaves, (found, expected)), strict=True):
        is_finite = bool(other.isfinite().all())
        are_finite &= is_finite
        if is_finite:
            _check_same(one, other)
    return are_finite


def _refuse_unknown() -> None:
    raise ExchangeError(
        "compile: the module must give finite outputs for random inputs, with its own "
        "weights or others of their size, as the engine's are compared with them; got "
        "infinite ones, or NaN."
    )


def _moved(tensors: Mapping[str, Any], buffers: Collection[str]) -> dict[str, Any]:
    """Return other values for tensors, all finite and none all zero.

    A head of zeros hides the rest. Those of buffers are positive, as variances must be.
    """
    generator = torch.Generator().manual_seed(20)
    found = {}
    for name, tensor in tensors.items():
        values = tensor.detach()
        if values.any() and values.isfinite().all():
            factors = torch.empty(values.shape).uniform_(0.5, 1.5, generator=generator)
            values = values * factors
        else:
            size = max(values[0].numel() if values.dim() > 1 else 16, 1)
            values = torch.empty(values.shape).normal_(generator=generator) / size**0.5
        found[name] = values.abs() if name in buffers else values
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
