"""Lower PReLU and constant rescaling to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import channelwise as kernels
from pellucid.engines.compiled.kernels.elementwise.channelwise import Constants, Slopes
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Value
from pellucid.network.layers import PReLU, Rescale
from pellucid.network.node import Node


def lower_prelu(low: LoweringContext, node: Node) -> None:
    """Add the steps of PReLU."""
    layer = node.layer_as(PReLU)
    x, y, slope = low.source(node), low.output(node.name), low.weight(node, "slope")
    low.step(
        kernels.prelu_forward,
        Slopes(x.map, y.map, layer.shared),
        x,
        slope,
        y,
        node=node.name,
    )

    def back() -> None:
        grad = low.grads[node.name]
        if low.trains(node):
            low.clear_chunk_grad(node, "slope")
            low.step(
                kernels.prelu_grad_slope,
                Slopes(x.map, grad.map, layer.shared),
                x,
                grad,
                low.chunk_grad(node, "slope"),
                node=node.name,
                grain="fine",
            )
        if node.inputs[0] in low.learners:
            to, accumulate = low.grad_target(node.inputs[0])
            low.step(
                kernels.prelu_grad_input,
                Slopes(x.map, grad.map, layer.shared, to.map, accumulate),
                x,
                grad,
                slope,
                to,
                node=node.name,
            )

    low.on_back(node.name, back)


def lower_rescale(low: LoweringContext, node: Node) -> None:
    """Add the steps of Rescale."""
    layer = node.layer_as(Rescale)
    x, y = low.source(node), low.output(node.name)
    scale, offset = layer.constants(x.map.channels)
    low.step(
        kernels.rescale, Constants(x.map, y.map, scale, offset), x, y, node=node.name
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        low.step(
            kernels.rescale,
            Constants(grad.map, to.map, scale, accumulate=accumulate),
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)
