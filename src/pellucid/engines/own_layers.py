"""Layers of one's own: their NumPy methods, called and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pellucid.engines.ports import join
from pellucid.engines.protocol import Array
from pellucid.engines.registry import unsupported_layer
from pellucid.errors import NetworkError
from pellucid.network import Network
from pellucid.network.layers import Layer, Shape, is_own


def refuse_own(engine: str, network: Network) -> None:
    """Refuse layers of one's own that have no method for a framework.

    Raises
    ------
    UnsupportedLayerError
        With the layer's name, and what to do.
    """
    for node in network.nodes:
        if is_own(node.layer) and not callable(getattr(node.layer, engine, None)):
            raise unsupported_layer(
                engine,
                node.layer.who,
                f"it is written in NumPy and has no method '{engine}'. Write one, or "
                "take engine='numpy' or 'compiled'",
            )


def run_forward(
    layer: Layer, inputs: Sequence[Array], weights: Mapping[str, Array], shape: Shape
) -> Array:
    """Return a layer's output, shape (N, *shape), in the input's type.

    Raises
    ------
    NetworkError
        If the method returns something else.
    """
    x = inputs[0]
    y = _as_array(layer.forward(join(list(inputs)), dict(weights)), x.dtype)
    wanted = (len(x), *shape)
    if y is None or y.shape != wanted:
        raise NetworkError(
            f"{layer.who}: forward must return an array of shape {wanted}; "
            f"got {_shape(y)}."
        )
    return y


def run_backward(
    layer: Layer,
    inputs: Sequence[Array],
    weights: Mapping[str, Array],
    grad_y: Array,
) -> tuple[tuple[Array, ...], dict[str, Array]]:
    """Return the gradients with respect to each input and each weight by role.

    Raises
    ------
    NetworkError
        If the method returns something else.
    """
    found = layer.backward(join(list(inputs)), dict(weights), grad_y)
    is_pair = isinstance(found, tuple) and len(found) == 2
    if not is_pair or not isinstance(found[1], Mapping):
        raise NetworkError(
            f"{layer.who}: backward must return the gradient with respect to the "
            "input (a tuple of several) and a dict of those of the weights; got "
            f"{type(found).__name__}."
        )
    given, grads = found
    several = (given,) if len(inputs) == 1 else given
    if not isinstance(several, tuple | list) or len(several) != len(inputs):
        raise NetworkError(
            f"{layer.who}: backward must return a tuple of {len(inputs)} gradients, "
            f"one for each input; got {type(given).__name__}."
        )
    grad_inputs = [
        _checked(layer, f"input {i}", grad, x)
        for i, (grad, x) in enumerate(zip(several, inputs, strict=True))
    ]
    learned = parameter_roles(layer, [x.shape[1:] for x in inputs])
    if set(grads) != set(learned):
        raise NetworkError(
            f"{layer.who}: backward must return a gradient for each of "
            f"{', '.join(learned) or 'no weights'}; got {', '.join(grads) or 'none'}."
        )
    by_role = {
        role: _checked(layer, role, grads[role], weights[role]) for role in learned
    }
    return tuple(grad_inputs), by_role


def parameter_roles(layer: Layer, shapes: Sequence[Shape]) -> tuple[str, ...]:
    """Return the roles of the weights that have gradients; buffers have none."""
    return tuple(s.role for s in layer.weights(*shapes) if s.is_parameter)


def _checked(layer: Layer, what: str, grad: object, like: Array) -> Array:
    array = _as_array(grad, like.dtype)
    if array is None or array.shape != like.shape:
        raise NetworkError(
            f"{layer.who}: backward must return the gradient of {what} in its shape "
            f"{like.shape}; got {_shape(array)}."
        )
    return array


def _as_array(value: object, dtype: np.dtype) -> Array | None:
    try:
        return None if value is None else np.asarray(value, dtype)
    except (TypeError, ValueError):
        return None


def _shape(value: Array | None) -> str:
    return "no array" if value is None else f"shape={value.shape}"
