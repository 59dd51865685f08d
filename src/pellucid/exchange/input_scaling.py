"""Preprocessing of an imported model: given, from its file, or from its first layers.

Many networks scale pixels themselves (Keras's Rescaling and Normalization, the
``(x − mean) / std`` of an exported module): their first layers then say which pixels
they take. Where nothing says it, it stays unknown and is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.network import Network, Node, Preprocessing
from pellucid.network import layers as pl
from pellucid.runs import ModelFile

Array = npt.NDArray[Any]
_SCALED_TO = (0.25, 32.0)  # width of the range that 0 … 255 is brought to
_PIXEL_MEANS = (32.0, 224.0)  # of photographs, in 0 … 255
_UNIT_STDS = (0.05, 0.6)  # of photographs, in [0, 1]


def settle_preprocessing(file: ModelFile, given: Preprocessing | None) -> ModelFile:
    """Return the model with what is given, known of the file, or told by its layers.

    Raises
    ------
    ExchangeError
        If it is not for as many channels as the input has.
    """
    how = given or file.preprocessing
    if not how.is_known:
        how = infer_preprocessing(file.network, file.weights) or how
    shape = file.network.input_shape
    if len(how.scale) not in (1, shape[-1]) or (
        how.channel_order == "bgr" and shape[-1] != 3
    ):
        raise ExchangeError(
            f"import: preprocessing must be for the {shape[-1]} channels of the input; "
            f"got {len(how.scale)} numbers in the order {how.channel_order}."
        )
    return replace(file, preprocessing=how)


def infer_preprocessing(
    network: Network, weights: Mapping[str, Array]
) -> Preprocessing | None:
    """Return which pixels a network takes that scales them itself; None if it does not.

    Parameters
    ----------
    network : Network
    weights : mapping of str to array

    Returns
    -------
    Preprocessing or None
        Raw where 0 … 255 is scaled down or a mean of such pixels subtracted, unit where
        mean and deviation are of pixels in [0, 1].
    """
    scale, offset = _find_scaling(network, weights)
    if scale is None or offset is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        width, mean, std = 255 * np.abs(scale), -offset / scale, 1 / scale
    if _lie_in(width, _SCALED_TO) or _lie_in(mean, _PIXEL_MEANS):
        return Preprocessing.raw()
    if _lie_in(mean, (1e-6, 1)) and _lie_in(std, _UNIT_STDS):
        return Preprocessing.unit()
    return None


def _lie_in(values: Array, ends: tuple[float, float]) -> bool:
    return bool(np.all((ends[0] <= values) & (values <= ends[1])))


def _find_scaling(
    network: Network, weights: Mapping[str, Array]
) -> tuple[Array | None, Array | None]:
    """Return scale and offset of the constants that pixels meet first."""
    scale: Array | None = None
    offset: Array | None = None
    for node in _first_chain(network):
        constants = _constants(node, weights, network.input_shape[-1])
        if constants is None:
            break
        by, plus = constants
        scale = by if scale is None else scale * by
        offset = plus if offset is None else offset * by + plus
    return scale, offset


def _first_chain(network: Network) -> list[Node]:
    """Return the nodes behind the Input up to the first branch."""
    chain, name = list[Node](), network.nodes[0].name
    while len(network.consumers[name]) == 1:
        (node,) = network.consumers[name]
        if len(node.inputs) != 1:
            break
        chain.append(node)
        name = node.name
    return chain


def _constants(
    node: Node, weights: Mapping[str, Array], channels: int
) -> tuple[Array, Array] | None:
    """Return scale and offset of ``x · scale + offset``, as readers make it."""
    layer = node.layer
    if isinstance(layer, pl.Rescale):
        scale, offset = layer.constants(channels)
        return np.asarray(scale, np.float64), np.asarray(offset, np.float64)
    if isinstance(layer, pl.BatchNorm) and layer.epsilon == 0 and not layer.trainable:
        return (
            np.asarray(weights[f"{node.name}.scale"], np.float64),
            np.asarray(weights[f"{node.name}.offset"], np.float64),
        )
    return None
