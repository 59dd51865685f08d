"""Inputs of the contenders: real images as float32 batches in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.benchmark.case import Case
from pellucid.data import Dataset, load
from pellucid.network import Preprocessing
from pellucid.network.preprocessing import Colour

Array = npt.NDArray[Any]
_SHUFFLE = 20
_MOST_BYTES = 128 << 20


def load_batches(case: Case) -> list[tuple[Array, Array]]:
    """Return a case's batches.

    Returns
    -------
    list of (images, labels)
        float32 of shape (batch_size, H, W, C), preprocessed as the network says, and
        int64 of shape (batch_size,). Fewer than asked for where memory would run
        short.
    """
    height, width, channels = case.network.input_shape
    one = case.batch_size * height * width * channels * 4
    count = max(1, min(case.batches, _MOST_BYTES // one))
    train = _load_images(case)
    rng = np.random.Generator(np.random.Philox(key=[case.seed, _SHUFFLE]))
    chosen = rng.choice(len(train), size=(count, case.batch_size), replace=True)
    return [
        (_preprocess(case, train.images[rows]), train.labels[rows]) for rows in chosen
    ]


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
