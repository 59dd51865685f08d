"""This file is a network's output as probabilities of classes."""

from __future__ import annotations

import numpy as np

from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.network.layers import Sigmoid, Softmax


def probabilities(model: Model, output: Array) -> Array:
    """Return probabilities, shape (N, classes).

    The output itself where the network ends in Softmax or Sigmoid, else the softmax
    of it: logits.
    """
    last = model.network.node(model.network.outputs[0]).layer
    if isinstance(last, Softmax | Sigmoid) or output.shape[-1] == 1:
        return output
    exponentials = np.exp(output - output.max(axis=-1, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
