"""Fold batch normalization into the layer before it, for inference."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.norm.batch_norm_fold import Fold, norm_fold
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, KernelCall, Task
from pellucid.network.layers import BatchNorm, Conv2D, Dense
from pellucid.network.node import Node


def can_fold(low: LoweringContext, node: Node) -> bool:
    """Whether batch norm alone follows a layer whose weights can take it in."""
    if low.purpose.kind != "predict" or low.purpose.is_training:
        return False
    followers = low.network.consumers[node.name]
    if not isinstance(node.layer, Conv2D | Dense) or len(followers) != 1:
        return False
    if node.name in low.kept or (node.name, "weight") in low.replaced:
        return False
    return isinstance(followers[0].layer, BatchNorm)


def fold(low: LoweringContext, node: Node) -> None:
    """Let the steps of a layer read weights with batch norm in them."""
    norm = low.network.consumers[node.name][0]
    made = low.plain_map(node.name)
    outputs = made.padded_channels
    size, has_bias = low.parameter(node, "weight").layout.size, low.has_bias(node)
    weight = low.weight(node, "weight")
    bias = low.weight(node, "bias") if has_bias else weight
    roles = ("scale", "offset", "running_mean", "running_variance")
    to = BufferRef(low.buffer(f"{node.name} folded weight", size, "shared"))
    bias_to = BufferRef(low.buffer(f"{node.name} folded bias", outputs, "shared"))
    epsilon = norm.layer_as(BatchNorm).epsilon
    spec = Fold(size // outputs, outputs, made.channels, has_bias, epsilon)
    places = (weight, bias, *(low.weight(norm, role) for role in roles), to, bias_to)
    low.folding.append(Task([KernelCall(norm_fold, spec, places, "task", node.name)]))
    low.folded[node.name] = norm
    low.replaced[node.name, "weight"] = to
    low.replaced[node.name, "bias"] = bias_to
