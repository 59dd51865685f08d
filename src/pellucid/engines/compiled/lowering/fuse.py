"""Fusion: activations, pools and norms into the layer they follow."""

from __future__ import annotations

from pellucid.engines.compiled.kernels.elementwise.activation import Function
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import (
    conv,
    conv_pool,
    lower_packed,
    norm_fold,
)
from pellucid.engines.compiled.lowering.layers.activation import function_of
from pellucid.engines.compiled.lowering.layers.conv_pool import pooled_chain
from pellucid.network.layers import Add, BatchNorm, Conv2D, Dense, Pointwise, ReLU
from pellucid.network.node import Node


def fuse(low: LoweringContext) -> None:
    """Find what can be fused; a node of which others read the inside stays whole."""
    if low.purpose.kind == "activations":
        return
    kept = low.kept
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
        if len(followers) != 1 or node.name in kept or end in kept:
            continue
        if _takes_in(low, node, followers[0]):
            low.fused[node.name] = followers[0]


def _folded_names(low: LoweringContext) -> set[str]:
    return {node.name for node in low.folded.values()}


def _takes_in(low: LoweringContext, node: Node, follower: Node) -> bool:
    if isinstance(node.layer, BatchNorm):
        return _norm_takes_in(low, node, follower)
    if isinstance(node.layer, Add):
        is_plain = len(set(low.network.input_shapes(node))) == 1
        return is_plain and isinstance(follower.layer, ReLU) and len(node.inputs) == 2
    if not isinstance(node.layer, Conv2D | Dense):
        return False
    if not isinstance(follower.layer, Pointwise):
        return False
    function = function_of(follower.layer)
    if conv.is_better_apart(low, node, function):
        return False
    if not _keeps_padding(low, node, function):
        return False
    return function.is_from_output or not low.purpose.goes_back


def _norm_takes_in(low: LoweringContext, node: Node, follower: Node) -> bool:
    """Whether batch norm computes an activation, and anew in the backward pass."""
    if not isinstance(follower.layer, Pointwise):
        return False
    function = function_of(follower.layer)
    is_cheap = function.kind in lower_packed.INLINE and function.has_finite_slope
    return is_cheap and _keeps_padding(low, node, function)


def _keeps_padding(low: LoweringContext, node: Node, function: Function) -> bool:
    """Whether no f(0) would stand in the channels that pad a pixel."""
    m = low.plain_map(node.name)
    return function.keeps_zero or m.padded_channels == m.channels
