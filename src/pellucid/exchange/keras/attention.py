"""Read attention, products and embeddings of Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pellucid.exchange.graph import products
from pellucid.exchange.graph.tensor import BATCH, Array, Tensor
from pellucid.network import layers as pl

if TYPE_CHECKING:
    from pellucid.exchange.keras.operator_view import OperatorView


def multi_head_attention(op: OperatorView) -> Tensor:
    """Projections of (channels, heads, size) each, and one of all heads behind."""
    op.only(use_gate=False, sliding_window=None, return_attention_scores=False)
    _refuse_masks(op)
    axes = op.get("attention_axes")
    if axes not in (None, [1], 1) or any(len(x.axes) != 3 for x in op.inputs):
        op.ref.refuse("attend along the one axis of tokens", f"attention_axes={axes}")
    query, value = op.inputs[0], op.inputs[min(1, len(op.inputs) - 1)]
    key = op.inputs[2] if len(op.inputs) > 2 else value
    heads = [_split(op, x, name) for x, name in ((query, "query"), (key, "key"))]
    heads.append(_split(op, value, "value"))
    size = op.get("key_dim")
    made = products.attention(
        op.builder,
        op.ref.part("heads"),
        (heads[0], heads[1], heads[2]),
        scale=size**-0.5,
        band=(None, 0 if op.get("use_causal_mask", False) else None),
        dropout=float(op.get("dropout", 0.0)),
    )
    weight = op.array()
    beside = op.builder.transpose(op.ref, made, [0, 2, 1, 3])
    length, width = query.shape[0], weight.shape[0] * weight.shape[1]
    joined = op.builder.reshape(op.ref.part("joined"), beside, [BATCH, length, width])
    return op.builder.dense(op.ref, joined, weight.reshape(width, -1), _bias(op))


def _refuse_masks(op: OperatorView) -> None:
    if op.config.get("attention_mask") is not None:
        op.ref.refuse("have no attention_mask", "a mask")


def _bias(op: OperatorView) -> Array | None:
    return op.array().reshape(-1) if op.get("use_bias", True) else None


def _split(op: OperatorView, x: Tensor, role: str) -> Tensor:
    """Project to (N, heads, length, size)."""
    weight = op.array()
    channels, heads, size = weight.shape
    flat = weight.reshape(channels, heads * size)
    made = op.builder.dense(op.ref.part(role), x, flat, _bias(op))
    shape = [BATCH, x.shape[0], heads, size]
    cut = op.builder.reshape(op.ref.part(f"{role}_heads"), made, shape)
    return op.builder.transpose(op.ref, cut, [0, 2, 1, 3])


def attention(op: OperatorView) -> Tensor:
    """Dot-product attention of (query, value) or (query, value, key)."""
    op.only(score_mode="dot", return_attention_scores=False)
    _refuse_masks(op)
    scale = float(op.array().reshape(-1)[0]) if op.get("use_scale", False) else 1.0
    query, value = op.inputs[0], op.inputs[1]
    key = op.inputs[2] if len(op.inputs) > 2 else value
    return products.attention(
        op.builder,
        op.ref,
        (query, key, value),
        scale=scale,
        band=(None, 0 if op.get("use_causal_mask", False) else None),
        dropout=float(op.get("dropout", 0.0)),
    )


def dot(op: OperatorView) -> Tensor:
    """Sums of products along one axis of each of two values."""
    op.only(normalize=False)
    axes = op.get("axes", -1)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    x, y = op.inputs
    return products.contract(op.builder, op.ref, (x, y), (first, second))


def einsum_dense(op: OperatorView) -> Tensor:
    """A product by an equation with a weight, and a bias that is broadcast."""
    x, weight = op.inputs[0], op.array()
    equation = str(op.get("equation", ""))
    has_bias = op.config.get("bias_axes") is not None
    given = op.ref.part("product") if has_bias else op.ref
    named = equation.partition(",")[0].replace("...", "")
    letters = "ABCDEFGH"[: len(x.axes) - len(named)]
    equation = equation.replace("...", letters)
    made = products.einsum(op.builder, given, equation, [x, weight])
    if not has_bias:
        return made
    return op.builder.add_constant(op.ref, made, op.array(), can_fold=True)


def embedding(op: OperatorView) -> Tensor:
    """A table of one row: the same numbers for every example."""
    table = op.array()
    if len(table) != 1:
        op.ref.refuse("look one row up, which is a Parameter", f"{len(table)} rows")
    builder = op.builder
    entry = next(n for n in builder.nodes.values() if isinstance(n.layer, pl.Input))
    trainable = bool(op.get("trainable", True))
    return builder.parameter(op.ref, entry.name, table, trainable=trainable)


__all__ = ["attention", "dot", "einsum_dense", "embedding", "multi_head_attention"]
