"""Inputs of the contenders: real images as float32 batches in memory.

Of networks with several inputs or outputs they are random numbers.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.benchmark.case import Case
from pellucid.data import Dataset, load
from pellucid.network import Network, Preprocessing
from pellucid.network.layers import Pointwise
from pellucid.network.ports import has_several
from pellucid.network.preprocessing import Colour

Array = npt.NDArray[Any]
_SHUFFLE = 20
_MOST_BYTES = 128 << 20


class Batch(NamedTuple):
    """An array for each input, and one for each output."""

    images: tuple[Array, ...]
    labels: tuple[Array, ...]


def load_batches(case: Case) -> list[Batch]:
    """Return a case's batches.

    Returns
    -------
    list of (images, labels)
        Images are float32 of shape (batch_size, H, W, C), preprocessed as the network
        says, and labels int64 of shape (batch_size,). Fewer than asked for where
        memory would run short.
    """
    network = case.network
    numbers = case.batch_size * sum(prod(network.shapes[n]) for n in network.inputs)
    count = max(1, min(case.batches, _MOST_BYTES // (4 * numbers)))
    rng = np.random.Generator(np.random.Philox(key=[case.seed, _SHUFFLE]))
    if has_several(network):
        return [draw_batch(network, case.batch_size, rng) for _ in range(count)]
    train = _load_images(case)
    chosen = rng.choice(len(train), size=(count, case.batch_size), replace=True)
    return [
        Batch((_preprocess(case, train.images[rows]),), (train.labels[rows],))
        for rows in chosen
    ]


def draw_batch(network: Network, count: int, rng: np.random.Generator) -> Batch:
    """Return random numbers for every input, and labels for `choose_losses`."""
    shapes, labels = network.shapes, list[Array]()
    for name, loss in choose_losses(network).items():
        if loss == "cross_entropy":
            labels.append(rng.integers(0, shapes[name][-1], count))
        else:
            labels.append(rng.random((count, *shapes[name]), np.float32))
    images = [rng.random((count, *shapes[n]), np.float32) for n in network.inputs]
    return Batch(tuple(images), tuple(labels))


def choose_losses(network: Network) -> dict[str, str]:
    """Return cross-entropy for each output that may tell classes apart, else MSE.

    Of several outputs those are vectors of two elements or more that no activation
    has bounded; the only output of a network is one wherever it is a vector.
    """
    several = has_several(network)

    def tells_classes(name: str) -> bool:
        shape, layer = network.shapes[name], network.node(name).layer
        is_bounded = shape == (1,) or isinstance(layer, Pointwise)
        return len(shape) == 1 and not (several and is_bounded)

    return {
        name: "cross_entropy" if tells_classes(name) else "mse"
        for name in network.outputs
    }


def _preprocess(case: Case, images: Array) -> Array:
    """Return pixels as the network takes them; floats are taken as they are."""
    if case.data == "mnist":
        images = resize(images, *case.network.input_shape)
    if images.dtype != np.uint8:
        return images.astype(np.float32)
    return (case.network.preprocessing or Preprocessing()).apply(images)


def _load_images(case: Case) -> Dataset:
    """Return the training images; MNIST's are brought to size batch by batch."""
    if case.data == "mnist":
        return load("mnist")[0]
    if case.data.endswith(".npz"):
        return load(case.data)[0]
    height, width, channels = case.network.input_shape
    colour: Colour = "grey" if channels == 1 else "rgb"
    return load(case.data, size=(height, width), colour=colour)[0]


def resize(images: Array, height: int, width: int, channels: int) -> Array:
    """Bring images (N, H, W, 1) to another size by repeating or leaving out pixels."""
    rows = np.arange(height) * images.shape[1] // height
    columns = np.arange(width) * images.shape[2] // width
    return np.repeat(images[:, rows][:, :, columns], channels, axis=3)
