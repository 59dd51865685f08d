"""Datasets in NumPy's own .npz format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Dataset
from pellucid.data.named_arrays import read_arrays
from pellucid.errors import DataError

_SPLIT: Final = ("x_train", "y_train", "x_test", "y_test")
_VALIDATION: Final = ("x_val", "y_val")
_WHOLE: Final = ("images", "labels")
_KEYS: Final = (*_SPLIT, *_VALIDATION, *_WHOLE, "classes")


def read_npz(path: Path, *, test_fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Read a .npz file; nothing in it is ever executed.

    Parameters
    ----------
    path : Path
        Has the arrays x_train, y_train, x_test and y_test, perhaps x_val and y_val for
        the validation data; or images and labels.
        Either may come with classes, the names. Grey uint8 images may lack their
        channel axis, integer labels may have shape (N, 1).
    test_fraction : float
        Part of images and labels that becomes the test set, in (0, 1).
    seed : int
        Of that split.

    Returns
    -------
    tuple of Dataset
        (train, test).

    Raises
    ------
    DataError
        If the file is damaged, has other keys, or holds Python objects.
    """
    arrays, names = read_arrays(path, _KEYS)
    classes = tuple(str(name) for name in arrays.get("classes", np.array([])).ravel())
    if all(key in arrays for key in _SPLIT):
        x_train, y_train, x_test, y_test = (arrays[key] for key in _SPLIT)
        train = _dataset(x_train, y_train, classes)
        if all(key in arrays for key in _VALIDATION):
            x_val, y_val = (arrays[key] for key in _VALIDATION)
            train = replace(train, validation=_dataset(x_val, y_val, classes))
        return train, _dataset(x_test, y_test, classes)
    if all(key in arrays for key in _WHOLE):
        whole = _dataset(arrays["images"], arrays["labels"], classes)
        return whole.split(test_fraction, seed=seed)
    raise DataError(
        f"load: {str(path)!r} must have the keys {', '.join(_SPLIT)}, or images and "
        f"labels; got {names}."
    )


def _dataset(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], classes: tuple[str, ...]
) -> Dataset:
    """Give grey images their channel axis, and labels one axis."""
    if images.dtype == np.uint8 and images.ndim == 3:
        images = images[..., None]
    if labels.dtype.kind in "biu" and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return Dataset(images, labels, classes)
