"""Lower activations to kernel calls."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise import activation as kernels
from pellucid.engines.compiled.kernels.elementwise import softmax as softmax_kernels
from pellucid.engines.compiled.kernels.elementwise.activation import (
    Backward,
    Elementwise,
    Function,
)
from pellucid.engines.compiled.kernels.layout import ImageLayout
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import Value
from pellucid.network.layers import Layer, LogSoftmax, Pointwise, ReLU
from pellucid.network.node import Node


def function_of(layer: Layer) -> Function:
    """Return what kernels compute of a pointwise layer."""
    if not isinstance(layer, Pointwise):
        raise TypeError(type(layer))
    from_output = layer.derivative_from_output
    is_from_output = from_output is not None
    derivative = layer.derivative if from_output is None else from_output
    return Function(layer.stem, layer.expression, derivative, is_from_output)


RELU = function_of(ReLU())


def lower(low: LoweringContext, node: Node) -> None:
    """Add the steps of an activation that stands alone."""
    x, y = low.source(node), low.output(node.name)
    function = function_of(node.layer)
    spec = Elementwise(function, x.map, y.map)
    low.step(kernels.activation_forward, spec, x, y, node=node.name, parts=x.map.height)

    def back() -> None:
        if node.inputs[0] not in low.learners:
            return
        grad, seen = low.grads[node.name], y if function.is_from_output else x
        to, accumulate = low.grad_target(node.inputs[0])
        spec = Backward(function, seen.map, grad.map, to.map, accumulate)
        low.step(kernels.activation_backward, spec, seen, grad, to, node=node.name)

    low.on_back(node.name, back)


def lower_activation_grad(
    low: LoweringContext,
    function: Function,
    pair: tuple[Value, Value],
    m: ImageLayout,
    node: str,
) -> Value:
    """Return grad_y · f′ in a buffer of its own, for what f was fused into."""
    y, grad = pair
    to = low.scratch(f"grad {node}", m)
    spec = Backward(function, y.map, grad.map, m)
    low.step(kernels.activation_backward, spec, y, grad, to, node=node)
    return to


def lower_softmax(low: LoweringContext, node: Node) -> None:
    """Add the steps of Softmax, or of LogSoftmax."""
    is_log = isinstance(node.layer, LogSoftmax)
    x, y = low.source(node), low.output(node.name)
    spec = softmax_kernels.Softmax(x.map, y.map)
    low.step(
        softmax_kernels.log_softmax_forward
        if is_log
        else softmax_kernels.softmax_forward,
        spec,
        x,
        y,
        node=node.name,
    )

    def back(grad: Value, to: Value, accumulate: bool) -> None:
        spec = softmax_kernels.Softmax(y.map, grad.map, to.map, accumulate)
        low.step(
            softmax_kernels.log_softmax_backward
            if is_log
            else softmax_kernels.softmax_backward,
            spec,
            y,
            grad,
            to,
            node=node.name,
        )

    low.on_input_grad(node, back)
