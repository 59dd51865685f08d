"""Float networks out of integer ones: to be trained further, or run anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.network import Node
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Quantized
from pellucid.network.node import place
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_CLAMPS: dict[str, type[Layer]] = {"relu": pl.ReLU, "relu6": pl.ReLU6}
#: operations whose real output may be of either sign
_SIGNED = (
    pl.Add,
    pl.Conv1D,
    pl.Conv2D,
    pl.ConvTranspose2D,
    pl.Dense,
    pl.Multiply,
    pl.Rescale,
    pl.Subtract,
)


def dequantize(file: ModelFile) -> ModelFile:
    """Return a model whose layers compute in float32, with the same real weights.

    Integer layers become the layers they were made of. Where an integer output cannot
    be negative, or has limits of its own, a ReLU, ReLU6 or Clip follows; otherwise
    nothing is rounded or limited any more.

    Parameters
    ----------
    file : ModelFile
        A float network comes back as it is.

    Returns
    -------
    ModelFile
        With trainable weights.
    """
    network, weights = file.network, dict(file.weights)
    taken = {node.name for node in network.nodes}
    stands_for: dict[str, str] = {}
    nodes: list[Node] = []
    for node in network.nodes:
        sources = tuple(stands_for.get(name, name) for name in node.inputs)
        if _is_nothing(node.layer):
            stands_for[node.name] = sources[0]
        elif isinstance(node.layer, Quantized):
            made = place(node.name, node.layer.operation, sources, node.weights_of)
            nodes.append(made)
            limit = _limit(node.layer)
            if limit is not None:
                name = _free_name(f"{node.name}_{limit.stem}", taken)
                nodes.append(place(name, limit, (node.name,)))
                stands_for[node.name] = name
            _turn_real(node, weights)
        elif isinstance(node.layer, pl.Hybrid):
            operation = node.layer.operation
            nodes.append(place(node.name, operation, sources, node.weights_of))
            _scale_weights(node, weights)
        else:
            nodes.append(replace(node, inputs=sources))
    found = network.with_nodes(nodes, renamed=stands_for)
    kept = {weight.name: weights[weight.name] for weight in found.weights}
    return replace(file, network=found, weights=kept)


def _is_nothing(layer: Layer) -> bool:
    """Whether a layer only changes how numbers are written."""
    if isinstance(layer, pl.Quantize | pl.Dequantize):
        return True
    is_rescale = isinstance(layer, Quantized) and layer.operation == pl.Rescale()
    return is_rescale and _limit(layer) is None  # type: ignore[arg-type]


def _limit(layer: Quantized) -> Layer | None:
    """Return the layer that limits the output as the integers do; None if none does."""
    if layer.clamp == "relu_n1_to_1":
        return pl.Clip(-1, 1)
    if layer.clamp is not None:
        return _CLAMPS[layer.clamp]()
    low, high = layer.limits
    if low < 0 or not isinstance(layer.operation, _SIGNED):
        return None
    if all(operand.limits[0] >= 0 for operand in layer.operands) and isinstance(
        layer.operation, pl.Rescale
    ):
        return None
    is_six = abs(high * layer.output.scale - 6) <= layer.output.scale / 2
    return pl.ReLU6() if is_six else pl.ReLU()


def _free_name(wanted: str, taken: set[str]) -> str:
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{wanted}_{count}"
    taken.add(name)
    return name


def _turn_real(node: Node, weights: dict[str, Array]) -> None:
    """Replace a node's integer weights by the real numbers that they stand for."""
    if node.weights_of is not None or f"{node.name}.factor" not in weights:
        return
    for role, scale in _scales(node.layer, weights[f"{node.name}.factor"]):
        name = f"{node.name}.{role}"
        if name in weights:
            real = weights[name].astype(np.float64) * scale
            weights[name] = real.astype(np.float32)


def _scale_weights(node: Node, weights: dict[str, Array]) -> None:
    """Replace the integer weights of a hybrid layer."""
    name = f"{node.name}.weight"
    if node.weights_of is None:
        scale = weights[f"{node.name}.scale"]
        weights[name] = weights[name].astype(np.float32) * scale


def _scales(layer: Layer, factor: Array) -> Iterator[tuple[str, Array]]:
    """Yield the step of the weight and that of the bias."""
    if not isinstance(layer, Quantized):
        raise TypeError(type(layer).__name__)
    weight = factor * layer.output.scale / layer.operands[0].scale
    yield "weight", weight.astype(np.float32).astype(np.float64)
    yield "bias", factor * layer.output.scale
