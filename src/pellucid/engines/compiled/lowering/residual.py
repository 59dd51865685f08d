"""Residual sums and gates in place: what is read for the last time is written over.

In relu(shortcut + conv(x)) the shortcut is often read for the last time. Where all its
other readers come before the convolution, that adds to it where it lies, with the ReLU:
the sum takes no step and no memory of its own. A gate (squeeze and excitation) is
multiplied with its image where that lies.
"""

from __future__ import annotations

from pellucid.engines.compiled.kernels.conv import conv_single_channel, depthwise
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import conv
from pellucid.network.layers import (
    Add,
    AvgPool2D,
    BatchNorm,
    Conv2D,
    GlobalAvgPool2D,
    MaxPool2D,
    Multiply,
    Pointwise,
)
from pellucid.network.node import Node

#: layers whose output is a buffer of its own, to which a convolution may add
_OWN_OUTPUT = (Add, AvgPool2D, BatchNorm, Conv2D, MaxPool2D, Pointwise)
#: layers that are done with their input after their step
_READERS = (*_OWN_OUTPUT, GlobalAvgPool2D)


def work_in_place(low: LoweringContext) -> None:
    """Find the sums of a prediction that epilogues make, and the gates in place."""
    if low.purpose.kind != "predict":
        return
    steps, makers = _order(low)
    groups: dict[str, list[str]] = {}
    for node in low.network.nodes:
        if isinstance(node.layer, Multiply):
            image = _gated(low, node)
            if image and _is_last_reader(low, node, image, steps, steps[node.name]):
                low.gated[node.name] = image
                groups[node.name] = groups.setdefault(image, [image])
                groups[node.name].append(node.name)
        if not isinstance(node.layer, Add) or len(node.inputs) != 2:
            continue
        if len(set(low.network.input_shapes(node))) != 1:
            continue
        for name, other in (node.inputs, node.inputs[::-1]):
            maker = makers.get(name)
            if maker is None or low.network.consumers[name] != (node,):
                continue
            if _is_last_reader(low, node, other, steps, steps[maker.name]):
                end = low.end_of(node)
                low.added[maker.name] = node, other
                steps[node.name] = steps[end] = steps[maker.name]
                groups[end] = groups.setdefault(other, [other])
                groups[end].append(end)
                break
    for names in groups.values():  # what lies in one place has the zeros all want
        low.unite_halos(names)


def add_in_norms(low: LoweringContext) -> None:
    """Find the sums that a training's batch norm makes when it normalizes.

    It does so for the operand that comes last; the other one is there already.
    """
    if not low.purpose.goes_back:
        return
    order = {node.name: i for i, node in enumerate(low.network.nodes)}
    for node in low.network.nodes:
        if not isinstance(node.layer, Add) or len(set(node.inputs)) != 2:
            continue
        if len(node.inputs) != 2 or len(set(low.network.input_shapes(node))) != 1:
            continue
        other, name = sorted(node.inputs, key=lambda source: order[source])
        is_read_here = low.network.consumers[name] == (node,) and name not in low.kept
        if isinstance(low.network.node(name).layer, BatchNorm) and is_read_here:
            low.added[name] = node, other


def _order(low: LoweringContext) -> tuple[dict[str, int], dict[str, Node]]:
    """Return the step in which each node is made, and the convolution of an output."""
    steps: dict[str, int] = {}
    makers: dict[str, Node] = {}
    for i, node in enumerate(low.network.nodes):
        if node.name in steps:
            continue
        taken = (low.folded.get(node.name), low.fused.get(node.name))
        chain = (*taken, *low.pooled.get(node.name, ()))
        steps |= {after.name: i for after in (node, *chain) if after is not None}
        is_bare = node.name not in low.fused and node.name not in low.pooled
        if is_bare and _can_add(low, node):
            makers[low.end_of(node)] = node
    return steps, makers


def _can_add(low: LoweringContext, node: Node) -> bool:
    """Whether a layer's kernels can add to what is there."""
    end = low.end_of(node)
    if not isinstance(node.layer, Conv2D) or end in low.kept:
        return False
    spec = conv.describe(
        node.layer, low.plain_map(node.inputs[0]), low.plain_map(node.name)
    )
    is_grey = conv_single_channel.single_channel_fits(spec, low.target.lanes)
    return not (depthwise.depthwise_fits(spec) or is_grey)


def _gated(low: LoweringContext, node: Node) -> str:
    """Return the image that a product multiplies with one pixel, if it does."""
    shapes = low.network.input_shapes(node)
    if len(node.inputs) != 2 or len(shapes[0]) != 3:
        return ""
    shape = low.network.shapes[node.name]
    gate = (1, 1, shape[-1])
    for image, other in ((0, 1), (1, 0)):
        if shapes[image] == shape != gate == shapes[other]:
            return node.inputs[image]
    return ""


def _is_last_reader(
    low: LoweringContext, node: Node, other: str, steps: dict[str, int], last: int
) -> bool:
    """Whether a sum's other operand is there before a step, and not read after it."""
    if other in low.kept or steps[other] >= last:
        return False
    if not isinstance(low.network.node(other).layer, _OWN_OUTPUT):
        return False
    readers = [reader for reader in low.network.consumers[other] if reader != node]
    return all(
        isinstance(reader.layer, _READERS) and steps[reader.name] < last
        for reader in readers
    )
