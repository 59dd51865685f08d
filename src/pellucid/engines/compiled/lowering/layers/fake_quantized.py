"""Round weights before they are used, for training with fake quantization."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from pellucid.engines.compiled.kernels.quantized.weights import Rounding, round_weight
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef
from pellucid.network.layers import ConvTranspose2D


def lower(low: LoweringContext, most: Mapping[str, int]) -> None:
    """Let all steps read rounded weights; the optimizer changes the weights themselves.

    Parameters
    ----------
    low : LoweringContext
        Before its layers are lowered.
    most : mapping of str to int
        The weights to round, and the largest integer that stands for one.
    """
    low.phase("fine")
    for node in low.network.nodes:
        if f"{node.owner}.weight" not in most:
            continue
        layout = low.parameter(node, "weight").layout
        *rows, outputs = layout.packed
        # (kh, kw, groups, in, out): the groups of a transposed convolution are channels
        groups, inner = 1, 1
        if isinstance(node.layer, ConvTranspose2D):
            groups, inner = rows.pop(2), rows.pop(2)
        spec = Rounding(
            prod(rows), groups, inner, outputs, most[f"{node.owner}.weight"]
        )
        to = low.buffer(f"{node.name} rounded weight", layout.size, "shared")
        weight = low.weight(node, "weight")
        low.prepare(round_weight, spec, weight, BufferRef(to), node=node.name)
        low.replaced[node.name, "weight"] = BufferRef(to)
