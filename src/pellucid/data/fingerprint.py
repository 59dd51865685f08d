"""A short name for a dataset's content, by which a resumed training knows it."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Dataset
from pellucid.data.picture_files import PictureFiles

_MOST_BYTES = 1 << 23  # of images; of larger arrays every so many examples are taken


def fingerprint(dataset: Dataset) -> str:
    """Return 16 hexadecimal digits of shapes, labels and (a part of) the images.

    Of pictures in files, which may move, their number and labels count.
    """
    images = dataset.images
    if isinstance(images, tuple):  # of several inputs
        return arrays_fingerprint((*images, *dataset.labels))
    if isinstance(images, PictureFiles):
        return _digest((images.shape, "files", dataset.classes), [dataset.labels])
    every = max(1, -(-images.nbytes // _MOST_BYTES))
    about = (images.shape, images.dtype.str, dataset.classes)
    return _digest(about, [dataset.labels, images[::every]])


def array_fingerprint(array: npt.NDArray[Any]) -> str:
    """Return the same of one array."""
    return _digest((array.shape, array.dtype.str), [array])


def arrays_fingerprint(arrays: tuple[npt.NDArray[Any] | None, ...]) -> str:
    """Return the same of several arrays, some of which may be missing."""
    about = [None if a is None else (a.shape, a.dtype.str) for a in arrays]
    return _digest(about, [a for a in arrays if a is not None])


def _digest(about: object, arrays: list[npt.NDArray[Any]]) -> str:
    found = hashlib.blake2b(repr(about).encode(), digest_size=8)
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()
