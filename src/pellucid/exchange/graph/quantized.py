"""Make the layers that a reader has added integer layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.graph.network_builder import NetworkBuilder
from pellucid.exchange.graph.tensor import Array, Tensor
from pellucid.network import layers as pl
from pellucid.network.quantization import Quantization


def wrap(
    builder: NetworkBuilder,
    ref: OperatorRef,
    before: set[str],
    operands: Sequence[Quantization],
    output: Quantization,
    **how: Any,
) -> str:
    """Make the layer that computes among the new ones a `Quantized` one.

    Parameters
    ----------
    builder : NetworkBuilder
    ref : OperatorRef
        What the layers are of.
    before : set of str
        The nodes that were there before its reader ran.
    operands, output : Quantization
    **how
        Other arguments of `Quantized`.

    Returns
    -------
    str
        The node's name.
    """
    for name in [name for name in builder.nodes if name not in before]:
        node = builder.nodes[name]
        inner = _integer_form(node.layer)
        if isinstance(inner, pl.QUANTIZABLE):
            layer = pl.Quantized(inner, tuple(operands), output, name=name, **how)
            builder.nodes[name] = node.with_layer(layer)
            return name
    ref.refuse("have an integer form that is known", ref.operator)


def _integer_form(layer: Any) -> Any:
    """Return a layer of integers that does the same: interpolation is a Resize's."""
    if not isinstance(layer, pl.Upsample2D) or layer.mode != "bilinear":
        return layer
    height, width = layer.factors
    return pl.Resize(scale=(float(height), float(width)), mode="bilinear")


def give_factors(
    builder: NetworkBuilder,
    ref: OperatorRef,
    node: str,
    weight_scale: Array,
    product: type[np.floating[Any]] = np.float64,
) -> None:
    """Give a wrapped layer with weights the factors of its sums.

    ``product`` is the type in which the scales of input and weight are multiplied.
    """
    layer: Any = builder.nodes[node].layer
    channels = builder.weights[f"{node}.weight"].shape[-1]
    if weight_scale.size not in (1, channels):
        ref.refuse(f"have a scale, or {channels}", f"{weight_scale.size}")
    x, y = layer.operands[0].scale, layer.output.scale
    scales = np.asarray(product(x) * weight_scale.astype(product).ravel())
    factor = scales.astype(np.float64) / y
    builder.weights[f"{node}.factor"] = np.broadcast_to(factor, channels).copy()


def requantize(
    builder: NetworkBuilder,
    ref: OperatorRef,
    x: Tensor,
    table: Array,
    ends: tuple[Quantization, Quantization],
    **how: Any,
) -> Tensor:
    """Bring integers to another scale, by a table."""
    layer = pl.Quantized(pl.Rescale(), ends[:1], ends[1], **how)
    return builder.layer(ref, layer, [x], {"table": table[None]})
