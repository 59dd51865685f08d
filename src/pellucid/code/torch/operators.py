"""Layers that PyTorch has operators for, not modules, as expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code.rearrangements import index_text
from pellucid.code.script_spec import ScriptSpec
from pellucid.engines.framework_layers.torch import (
    torch_axis,
    torch_permutation,
    torch_slices,
)
from pellucid.network import Node
from pellucid.network import layers as nl


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
    nl.Add: lambda spec, node, inputs: " + ".join(inputs),
    nl.Concat: _concat,
    nl.Permute: _permute,
    nl.Reshape: _reshape,
    nl.Slice: _slice,
}


def is_sequence(spec: ScriptSpec) -> bool:
    """Whether the network is written as one `nn.Sequential`."""
    return spec.is_chain and not spec.has(*OPERATORS)
