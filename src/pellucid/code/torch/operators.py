"""Layers that PyTorch has operators for, not modules, as expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code.functional import OPERATORS as SIGNS
from pellucid.code.rearrangements import index_text
from pellucid.code.script_spec import ScriptSpec
from pellucid.engines.framework_layers.torch import (
    torch_axis,
    torch_permutation,
    torch_slices,
)
from pellucid.network import Node
from pellucid.network import layers as nl


def _arithmetic(spec: ScriptSpec, node: Node, inputs: list[str]) -> str:
    """Return the operands combined, their axes aligned as (N, C, H, W)."""
    shapes = spec.network.input_shapes(node)
    rank = max(map(len, shapes))
    if any(len(shape) not in (1, rank) for shape in shapes):
        raise spec.refuse(node, "its inputs have other axes than images and features")
    index = ":, :, None, None" if rank == 3 else f":{', None' * (rank - 1)}"
    words = [
        x if len(shape) == rank else f"{x}[{index}]"
        for x, shape in zip(inputs, shapes, strict=True)
    ]
    if isinstance(node.layer, nl.Maximum):
        if len(words) > 2:
            raise spec.refuse(node, "it has more than two inputs")
        first, second = words  # torch.maximum gives half the derivative to equal ones
        return f"torch.where({first} >= {second}, {first}, {second})"
    return SIGNS[type(node.layer)].join(words)


def _concat(spec: ScriptSpec, node: Node, inputs: list[str]) -> str:
    layer: Any = node.layer
    rank = len(spec.shape(node))
    dim = torch_axis(layer.resolved_axis(rank), rank)
    return f"torch.cat([{', '.join(inputs)}], dim={dim})"


def _slice(spec: ScriptSpec, node: Node, inputs: list[str]) -> str:
    layer: Any = node.layer
    shape = spec.shape(node)
    flips, index = torch_slices(layer.ranges(shape), shape)
    flipped = f".flip({', '.join(map(str, flips))})" if flips else ""
    return f"{inputs[0]}{flipped}[{index_text(index)}]"


def _permute(spec: ScriptSpec, node: Node, inputs: list[str]) -> str:
    layer: Any = node.layer
    return f"{inputs[0]}.permute{torch_permutation(layer.axes)}"


def _reshape(spec: ScriptSpec, node: Node, inputs: list[str]) -> str:
    """Images are turned to channels last before, and back behind."""
    (x,), shape = inputs, spec.network.shapes[node.name]
    before = ".permute(0, 2, 3, 1)" if len(spec.shape(node)) == 3 else ""
    after = ".permute(0, 3, 1, 2)" if len(shape) == 3 else ""
    return f"{x}{before}.reshape(-1, {', '.join(map(str, shape))}){after}"


OPERATORS: dict[type[nl.Layer], Callable[[ScriptSpec, Node, list[str]], str]] = {
    nl.Add: _arithmetic,
    nl.Concat: _concat,
    nl.Maximum: _arithmetic,
    nl.Multiply: _arithmetic,
    nl.Permute: _permute,
    nl.Reshape: _reshape,
    nl.Slice: _slice,
    nl.Subtract: _arithmetic,
}


def is_sequence(spec: ScriptSpec) -> bool:
    """Whether the network is written as one `nn.Sequential`."""
    return spec.is_chain and not spec.is_shared and not spec.has(*OPERATORS)
