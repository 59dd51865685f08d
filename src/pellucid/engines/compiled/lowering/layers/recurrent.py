"""Lower recurrent layers to kernel calls.

The input's product for all steps is a 1×1 convolution of the sequence, forward and
backward; the recurrent kernels go along its output.
"""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.kernels.conv.conv import Conv
from pellucid.engines.compiled.kernels.layout import ImageLayout, padded
from pellucid.engines.compiled.kernels.recurrent import recurrent, recurrent_grad
from pellucid.engines.compiled.kernels.recurrent.recurrent import Kind, Recurrence
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import conv
from pellucid.engines.compiled.lowering.parameters import ALIGN, Layout
from pellucid.engines.compiled.program.program_ir import BufferRef, Value
from pellucid.network.layers import GRU, LSTM, Recurrent
from pellucid.network.node import Node


def weight_layout(layer: Recurrent, shape: tuple[int, ...], rows: int) -> Layout:
    """Return the layout [row][gate][unit] of a weight, the units whole vectors.

    ``rows`` is how many rows of a matrix lie in memory.
    """
    gates, units = len(layer.gates), padded(layer.units, ALIGN)
    split = (*shape[:-1], gates, layer.units)
    packed = (*(rows,) * (len(shape) - 1), gates, units)
    return Layout(packed, split, tuple(range(len(split))))


def _kind(layer: Recurrent) -> Kind:
    if isinstance(layer, LSTM):
        return "lstm"
    if isinstance(layer, GRU):
        return "gru after" if layer.reset_after else "gru before"
    return "simple"


def _describe(layer: Recurrent, length: int, y: ImageLayout) -> Recurrence:
    return Recurrence(
        kind=_kind(layer),
        length=length,
        units=layer.units,
        padded=padded(layer.units, ALIGN),
        gates=len(layer.gates),
        y=y,
        reverse=layer.reverse,
        return_sequences=layer.return_sequences,
        has_bias=layer.has_recurrent_bias,
    )


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of LSTM, GRU and SimpleRNN."""
    layer = node.layer_as(Recurrent)
    x, y = low.source(node), low.output(node.name)
    spec = _describe(layer, x.map.width, y.map)
    gates = ImageLayout(1, spec.length, spec.row, spec.row)
    z = low.scratch(f"{node.name} gates", gates)
    product = Conv(x.map, gates, (1, 1), has_bias=layer.bias)
    conv.forward(low, node, product, (x, z))
    states, extra = (
        BufferRef(low.buffer(f"{node.name} {name}", spec.state_size, "image"))
        for name in ("states", "extra")
    )
    weight = low.weight(node, "recurrent_weight")
    bias = low.weight(node, "recurrent_bias") if spec.has_bias else weight
    own = spec.length * layer.units * len(layer.gates) * layer.units
    low.step(
        recurrent.recurrent_forward,
        spec,
        z,
        weight,
        bias,
        states,
        extra,
        y,
        node=node.name,
        why="step by step",
        multiply_adds=own,
    )

    def back() -> None:
        grad = low.grads[node.name]
        inner = replace(spec, y=grad.map)
        grad_z = low.scratch(f"{node.name} grad gates", gates)
        grad_product = grad_z
        if spec.kind == "gru after":
            grad_product = low.scratch(f"{node.name} grad products", gates)
        state = low.buffer(f"{node.name} grad state", 2 * spec.padded, "worker")
        low.step(
            recurrent_grad.recurrent_backward,
            inner,
            z,
            weight,
            states,
            extra,
            grad,
            grad_z,
            grad_product,
            BufferRef(state),
            node=node.name,
            why="back through time",
            multiply_adds=own,
        )
        if low.trains(node):
            _pull_recurrent(low, node, inner, (states, extra, grad_product))
        conv.pull(low, node, product, (x, grad_z))

    low.on_back(node.name, back)


def _pull_recurrent(
    low: LoweringContext,
    node: Node,
    spec: Recurrence,
    places: tuple[BufferRef, BufferRef, Value],
) -> None:
    """Add the steps of the recurrent weights' gradients."""
    states, extra, grad_product = places
    low.clear_chunk_grad(node, "recurrent_weight")
    low.step(
        recurrent_grad.recurrent_grad_weight,
        spec,
        states,
        extra,
        grad_product,
        low.chunk_grad(node, "recurrent_weight"),
        node=node.name,
        grain="fine",
        multiply_adds=spec.length * spec.units * spec.gates * spec.units,
    )
    if spec.has_bias:
        low.clear_chunk_grad(node, "recurrent_bias")
        low.step(
            recurrent_grad.recurrent_grad_bias,
            spec,
            grad_product,
            low.chunk_grad(node, "recurrent_bias"),
            node=node.name,
            grain="fine",
        )
