"""Layers that hold another one: the layer that they compute, and in which form."""

from __future__ import annotations

from pellucid.network.layers.base import Layer
from pellucid.network.layers.fake_quantize import FakeQuantized
from pellucid.network.layers.quantized import Hybrid, Quantized


def operation_of(layer: Layer) -> Layer:
    """Return what a quantized layer computes; another layer itself."""
    if isinstance(layer, FakeQuantized | Hybrid | Quantized):
        return layer.operation
    return layer


def form_of(layer: Layer) -> str:
    """Return in which numbers a quantized layer computes; "" of another layer."""
    if isinstance(layer, Quantized):
        return layer.output.dtype
    if isinstance(layer, FakeQuantized):
        return f"fake {layer.bits} bits"
    return "int8 weights" if isinstance(layer, Hybrid) else ""
