"""Batch norms that a convolution applies to what it loads.

A DenseNet normalizes what it concatenated before it convolves, so no convolution before
can take the norm in. A 1×1 convolution on AMX cuts every number that it loads into
parts, once; it normalizes it on the way, with the activation between them, and the
normalized image, as large as all layers before it together, is never in memory.
"""

from __future__ import annotations

from dataclasses import replace

from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.layers import conv, lower_amx, lower_pixels
from pellucid.engines.compiled.lowering.layers.activation import function_of
from pellucid.network.layers import BatchNorm, Conv2D
from pellucid.network.node import Node


def load_normalized(low: LoweringContext) -> None:
    """Find a prediction's batch norms of which one convolution is the only reader."""
    if low.purpose.kind != "predict":
        return
    is_folded = {node.name for node in low.folded.values()}
    is_written_over = {other for _, other in low.added.values()}
    is_written_over |= set(low.gated.values())
    for node in low.network.nodes:
        end = low.end_of(node)
        readers = low.network.consumers[end]
        if (
            isinstance(node.layer, BatchNorm)
            and node.name not in is_folded
            and node.inputs[0] not in is_written_over
            and not low.kept.intersection((node.name, end))
            and len(readers) == 1
            and _applies(low, readers[0])
        ):
            low.loaded[node.name] = readers[0]


def _applies(low: LoweringContext, node: Node) -> bool:
    """Whether a layer is a convolution whose kernel normalizes what it loads."""
    if not isinstance(node.layer, Conv2D) or node.name in low.pooled:
        return False
    x, y = low.map_of(node.inputs[0]), low.map_of(low.end_of(node))
    after = low.fused.get(node.name)
    function = function_of(after.layer) if after else None
    spec = replace(conv.describe(node.layer, x, y), function=function)
    return lower_amx.normalizes(low, spec) and not lower_pixels.pays(low, spec)
