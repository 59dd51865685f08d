"""Quantization-aware training: networks that compute as their int8 form will.

`prepare_qat` folds batch norms, rounds weights, and puts a `FakeQuantize` wherever the
int8 form has a scale of its own. `strip` takes all of that out again and says the
ranges, with which the network is quantized.

References
----------
Jacob et al. 2018, "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", section 3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy.typing as npt

from pellucid.exchange.int8.arithmetic import compute_scales
from pellucid.exchange.int8.calibration import Range, calibrate
from pellucid.exchange.int8.quantization import needed_ranges
from pellucid.model import Model, from_file
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.fake_quantization import plain_network, round_weights
from pellucid.network.layers.quantized import WEIGHTED
from pellucid.network.quantization import Quantization
from pellucid.objectives import Loss, Optimizer
from pellucid.objectives.output_losses import rename_outputs
from pellucid.runs import ModelFile


def prepare_qat(
    model: Model,
    calibration: npt.ArrayLike,
    *,
    weight_bits: int = 8,
    optimizer: str | Optimizer | None = None,
) -> Model:
    """Return a model that trains as its int8 form will compute.

    Parameters
    ----------
    model : Model
        Of float32, trained.
    calibration : array, shape (N, *input shape)
        Images, as `Model.predict` takes them, of several inputs a tuple or dict, from
        which the ranges of activations are learned. They stay as they are in training;
        to learn them anew, prepare the trained model again.
    weight_bits : int
        Of a weight: 8, or as few as 2, which are kept in 8.
    optimizer : str or Optimizer, optional
        In the place of the model's, whose learning rate is often too high for what is
        left to learn.

    Returns
    -------
    Model
        On the same engine, with the same loss; the optimizer's state begins anew.
        An output is that of its rounding, of several ``<output>_fake_quantize``.
        Train it with `Model.fit`, then quantize it: `pellucid.exchange.quantize` and
        the int8 formats of `pellucid.exchange.write` need no images for it.

    Raises
    ------
    ExchangeError
        If a layer has no int8 form, or the images do not fit.

    Notes
    -----
    A batch norm goes into the layer before it first and does not come back. What
    softmax, sigmoid and tanh make is not rounded in training, though it is in int8.
    """
    from pellucid.exchange.int8.folding import fold_batch_norms
    from pellucid.exchange.litert.lower import build_graph

    plain, _ = strip(model.file(), rounds=False)
    folded = fold_batch_norms(plain)
    file = replace(folded, loss=_follow(plain, folded))
    needed = needed_ranges(build_graph(file))
    ranges = calibrate(from_file(file, engine=model.engine), calibration)
    network = _with_rounding(file.network, needed, ranges, weight_bits)
    made = replace(file, network=network)
    made = replace(made, loss=_follow(file, made))
    return from_file(made, engine=model.engine, optimizer=optimizer)


def _follow(before: ModelFile, after: ModelFile) -> Loss | None:
    """Return the loss of a model whose outputs are called otherwise now."""
    names = zip(before.network.outputs, after.network.outputs, strict=True)
    return rename_outputs(before.loss, dict(names))


def is_aware(network: Network) -> bool:
    """Whether a network computes as its int8 form will."""
    return any(
        isinstance(node.layer, pl.FakeQuantize | pl.FakeQuantized)
        for node in network.nodes
    )


def strip(
    file: ModelFile, *, rounds: bool = True
) -> tuple[ModelFile, dict[str, Range]]:
    """Return a model without fake quantization, and the ranges of its nodes.

    Parameters
    ----------
    file : ModelFile
    rounds : bool
        Whether weights are those that the network computed with, or those that it
        trained.
    """
    network, ranges = file.network, dict[str, Range]()
    source: dict[str, str] = {}
    for node in network.nodes:
        if isinstance(node.layer, pl.FakeQuantize):
            source[node.name] = source.get(node.inputs[0], node.inputs[0])
            output = node.layer.output
            low, high = (output.scale * q for q in output.limits)
            ranges.setdefault(source[node.name], (low, high))
    kept = [
        replace(node, inputs=tuple(source.get(name, name) for name in node.inputs))
        for node in plain_network(network).nodes
        if node.name not in source
    ]
    weights = round_weights(network, file.weights) if rounds else file.weights
    made = network.with_nodes(kept, renamed=source)
    loss = rename_outputs(file.loss, source)
    return replace(file, network=made, weights=weights, loss=loss), ranges


def _with_rounding(
    network: Network, needed: set[str], ranges: dict[str, Range], bits: int
) -> Network:
    """Put a FakeQuantize behind the nodes whose range is needed, and round weights."""
    nodes: list[Node] = []
    source: dict[str, str] = {}
    for node in network.nodes:
        layer: Any = node.layer
        if isinstance(layer, WEIGHTED):
            layer = pl.FakeQuantized(layer, bits, name=node.name)
        inputs = tuple(source.get(name, name) for name in node.inputs)
        nodes.append(replace(node, layer=layer, inputs=inputs))
        if node.name in needed:
            scales = compute_scales(ranges[node.name])
            how = Quantization(scales.one, scales.zero_point)
            name = source[node.name] = f"{node.name}_fake_quantize"
            nodes.append(Node(name, pl.FakeQuantize(how, name=name), (node.name,)))
    return network.with_nodes(nodes, renamed=source)
