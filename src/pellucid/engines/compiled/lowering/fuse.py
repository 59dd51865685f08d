"""This file is which nodes become one step: an activation into what it follows."""

from __future__ import annotations

from pellucid.engines.compiled.lowering.context import Lowering
from pellucid.engines.compiled.lowering.layers import conv_pool, norm_fold
from pellucid.engines.compiled.lowering.layers.activation import (
    FUNCTIONS,
    shows_derivative,
)
from pellucid.engines.compiled.lowering.layers.conv_pool import pooled_chain
from pellucid.engines.loss_input import loss_node
from pellucid.network.layers import Add, BatchNorm, Conv2D, Dense, ReLU
from pellucid.network.node import Node


def fuse(low: Lowering) -> None:
    """Find what can be fused; a node of which others read the inside stays whole."""
    if low.purpose.kind == "look" or not low.options.fuse:
        return
    head = loss_node(low.network, low.purpose.loss) if low.purpose.loss else ""
    for node in low.network.nodes:
        if norm_fold.can_fold(low, node):
            norm_fold.fold(low, node)
        end = low.end_of(node)
        if conv_pool.can_fuse(low, node):
            low.pooled[node.name] = pooled_chain(low.network, node, end)
            continue
        followers = low.network.consumers[end]
        if node.name in _folded_names(low):
            continue
        if len(followers) != 1 or node.name == head:
            continue
        if _takes_in(low, node, followers[0]):
            low.fused[node.name] = followers[0]


def _folded_names(low: Lowering) -> set[str]:
    return {node.name for node in low.folded.values()}


def _takes_in(low: Lowering, node: Node, follower: Node) -> bool:
    if isinstance(node.layer, BatchNorm):
        return isinstance(follower.layer, ReLU)
    if isinstance(node.layer, Add):
        return isinstance(follower.layer, ReLU) and len(node.inputs) == 2
    if not isinstance(node.layer, Conv2D | Dense):
        return False
    if type(follower.layer) not in FUNCTIONS:
        return False
    function = FUNCTIONS[type(follower.layer)](follower.layer)
    m = low.plain_map(node.name)
    if function.kind == "sigmoid" and m.stored != m.channels:
        return False  # sigmoid(0) would stand in the padding
    return shows_derivative(function) or not low.purpose.goes_back
