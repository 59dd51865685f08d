"""Read ONNX's products of values: Einsum, and Attention of opset 23."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.exchange.graph import products
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.onnx.operator_view import OperatorView


def einsum(op: OperatorView) -> Tensor:
    """Read an Einsum of two values."""
    equation = op.attribute("equation", b"")
    text = equation.decode() if isinstance(equation, bytes) else str(equation)
    return products.einsum(op.builder, op.ref, text, op.inputs)


def attention(op: OperatorView) -> Tensor:
    """Read an Attention without a memory of former keys.

    Queries may have several heads for each of the keys'.
    """
    if any(op.has(i) for i in range(4, len(op.inputs))) or any(op.outputs[1:]):
        op.refuse("have Q, K, V and a mask, and one output", "former keys or others")
    query, key, value = (op.tensor(i) for i in range(3))
    is_flat = len(query.axes) == 3
    counts = [int(op.attribute(f"{who}_num_heads", 0)) for who in ("q", "kv")]
    if is_flat and not all(counts):
        op.refuse("have q_num_heads and kv_num_heads", str(counts))
    if is_flat:
        query = _split(op, query, counts[0])
        key, value = (_split(op, x, counts[1]) for x in (key, value))
    heads, own = query.foreign_shape[1], key.foreign_shape[1]
    batch, _, length, _ = query.foreign_shape
    if heads != own:
        if heads % own:
            op.refuse(f"have a multiple of {own} heads", str(heads))
        shape = [batch, own, heads // own, *query.foreign_shape[2:]]
        query = op.builder.reshape(op.ref.part("groups"), query, shape)
        key, value = (op.builder.expand_dims(op.ref, x, [2]) for x in (key, value))
    scale = float(op.attribute("scale", 0.0))
    made = products.attention(
        op.builder,
        op.ref,
        (query, key, value),
        scale=scale or None,
        mask=_mask(op, heads, own),
        band=_band(op),
        softcap=float(op.attribute("softcap", 0.0)),
    )
    size = made.foreign_shape[-1]
    if heads != own:
        whole = [batch, heads, length, size]
        made = op.builder.reshape(op.ref.part("heads"), made, whole)
    if not is_flat:
        return made
    beside = op.builder.transpose(op.ref, made, [0, 2, 1, 3])
    joined = [batch, length, heads * size]
    return op.builder.reshape(op.ref.part("joined"), beside, joined)


def _band(op: OperatorView) -> tuple[int | None, int | None]:
    """Return how many keys before and behind itself a query sees; None is all."""
    sides = (op.attribute(f"{side}_window_size", -1) for side in ("left", "right"))
    before, behind = (None if n < 0 else int(n) for n in sides)
    return before, 0 if op.attribute("is_causal", 0) else behind


def _split(op: OperatorView, x: Tensor, heads: int) -> Tensor:
    """Bring (N, length, heads · size) to (N, heads, length, size)."""
    batch, length, channels = x.foreign_shape
    if channels % heads:
        op.refuse(f"have channels for {heads} heads", str(channels))
    shape: Sequence[int] = [batch, length, heads, channels // heads]
    cut = op.builder.reshape(op.ref.part("split"), x, shape)
    return op.builder.transpose(op.ref, cut, [0, 2, 1, 3])


def _mask(op: OperatorView, heads: int, own: int) -> object:
    """Return the mask as it is stretched to the scores of all heads."""
    if not op.has(3):
        return None
    mask = op.inputs[3]
    if heads == own or (isinstance(mask, np.ndarray) and mask.ndim == 2):
        return mask
    if not isinstance(mask, np.ndarray) or mask.ndim != 4:
        op.refuse("have a constant mask where keys have fewer heads", "a value")
    if mask.shape[1] == 1:
        return mask[:, :, None]
    return mask.reshape(len(mask), own, heads // own, *mask.shape[2:])
