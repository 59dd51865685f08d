"""Layers with rounded weights: the layer itself, gradients straight through."""

from __future__ import annotations

from pellucid.engines.numpy.layers.forward import Array, Forward, Mode, Weights
from pellucid.network.fake_quantization import round_weight
from pellucid.network.layers import FakeQuantized


def fake_quantized(
    layer: FakeQuantized, inputs: tuple[Array, ...], weights: Weights, mode: Mode
) -> Forward:
    """Run the operation with ``s · round(w / s)``.

    The gradient with respect to the rounded weight is passed on as that of w.
    """
    from pellucid.engines.numpy.layers import run

    rounded = round_weight(weights["weight"], layer.most)
    return run(layer.operation, inputs, {**weights, "weight": rounded}, mode)
