"""What a network's output means, derived from its end, the loss and the labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.network import Network
from pellucid.network.layers import (
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    LogSoftmax,
    Sigmoid,
    Softmax,
    Upsample2D,
)
from pellucid.objectives.formula_loss import FormulaLoss
from pellucid.objectives.loss import Loss
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.output_meaning import Kind, OutputMeaning
from pellucid.objectives.table import LOSSES

Array = npt.NDArray[Any]


def output_meaning(
    network: Network,
    loss: Loss | None = None,
    labels: npt.ArrayLike | None = None,
    *,
    output: str | None = None,
) -> OutputMeaning:
    """Derive what an output means from the network's end, the loss and the labels.

    Parameters
    ----------
    network : Network
        Its last layer decides, together with the loss.
    loss : Loss, optional
        cross_entropy: classes. binary_cross_entropy: two classes from one column,
        else labels. A squared error, or none: what the last layer says.
    labels : array, optional
        Labels of the data, which decide where network and loss leave it open.
    output : str, optional
        Name of the output's node; the network's (first) output if left out.

    Returns
    -------
    OutputMeaning
        The meaning.

    Notes
    -----
    A network that ends in Softmax or LogSoftmax means classes. One that ends in Sigmoid
    means two classes (one column) or labels; under a loss that is not made for classes,
    labels that are not 0 and 1 make it a regression, and one-hot labels of several
    columns make it classes. Any other end means, under ``mse`` and
    ``half_squared_error_sum``, a regression; without a loss (or under one of the
    caller's own that absorbs no layer) values for one column and the logits of classes
    for several.
    """
    name = output or network.outputs[0]
    shape = network.shapes[name]
    end = _end(network, name)
    given = None if labels is None else np.asarray(labels)
    kind, is_logits = _kind(end, loss, shape, given)
    return OutputMeaning(
        kind=kind,
        columns=shape[-1],
        is_logits=is_logits,
        is_per_pixel=len(shape) > 1,
    )


def _end(network: Network, name: str) -> Layer:
    """Return the last layer, or the Softmax or Sigmoid whose numbers come to the end.

    Dropout, upsampling and the mean over positions keep what probabilities mean;
    Flatten keeps a sigmoid's, and a softmax's where there is one position.
    """
    node = last = network.node(name)
    while isinstance(node.layer, Dropout | Flatten | GlobalAvgPool2D | Upsample2D):
        node = network.node(node.inputs[0])
    is_moved = network.shapes[node.name][-1] != network.shapes[name][-1]
    if isinstance(node.layer, Sigmoid) or not is_moved:
        return node.layer
    return last.layer


def _kind(
    end: Layer, loss: Loss | None, shape: tuple[int, ...], labels: Array | None
) -> tuple[Kind, bool]:
    """Return the kind, and whether the output is logits."""
    several = shape[-1] > 1
    absorbs = loss.absorbs if loss is not None else None
    if isinstance(end, Softmax):
        return "classes", False
    if isinstance(end, LogSoftmax):  # whose softmax are the probabilities
        return "classes", True
    if absorbs == "Softmax":
        return "classes", True
    if absorbs == "Sigmoid":
        return "labels" if several else "binary", not isinstance(end, Sigmoid)
    has_classes = labels is not None and (
        _are_indices(labels, shape) or _are_one_hot(labels, shape)
    )
    if isinstance(end, Sigmoid):
        if several and has_classes:
            return "classes", False
        if loss is not None and labels is not None and not _are_binary(labels):
            return "regression", False
        return "labels" if several else "binary", False
    if isinstance(loss, FormulaLoss | NumpyLoss) and loss.labels_are == "classes":
        return "classes", True
    if isinstance(loss, FormulaLoss | NumpyLoss) or type(loss) in LOSSES.values():
        return "regression", False
    if loss is not None and labels is not None and not has_classes:
        return "regression", False
    return ("classes", True) if several else ("regression", False)


def _are_indices(labels: Array, shape: tuple[int, ...]) -> bool:
    return labels.dtype.kind in "biu" and labels.shape[1:] == shape[:-1]


def _are_one_hot(labels: Array, shape: tuple[int, ...]) -> bool:
    if labels.shape[1:] != shape:
        return False
    return _are_binary(labels) and bool((labels.sum(axis=-1) == 1).all())


def _are_binary(labels: Array) -> bool:
    return bool(((labels == 0) | (labels == 1)).all())
