"""This file is a dataset in NumPy's own .npz format."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.archive import open_archive
from pellucid.data.dataset import Dataset
from pellucid.errors import DataError

_SPLIT: Final = ("x_train", "y_train", "x_test", "y_test")
_WHOLE: Final = ("images", "labels")


def read_npz(path: Path, *, test_fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Read a .npz file; nothing in it is ever executed.

    Parameters
    ----------
    path : Path
        Has the arrays x_train, y_train, x_test and y_test; or images and labels.
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
    arrays = _read(path)
    classes = tuple(str(name) for name in arrays.get("classes", np.array([])).ravel())
    if all(key in arrays for key in _SPLIT):
        x_train, y_train, x_test, y_test = (arrays[key] for key in _SPLIT)
        return _dataset(x_train, y_train, classes), _dataset(x_test, y_test, classes)
    if all(key in arrays for key in _WHOLE):
        whole = _dataset(arrays["images"], arrays["labels"], classes)
        return whole.split(test_fraction, seed=seed)
    raise DataError(
        f"load: {str(path)!r} must have the keys {', '.join(_SPLIT)}, or images and "
        f"labels; got {sorted(arrays)}."
    )


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays that make a dataset."""
    import zipfile

    open_archive(path).close()
    wanted = (*_SPLIT, *_WHOLE, "classes")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files if key in wanted}
            return found or {key: np.empty(0) for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"load: {str(path)!r} must hold plain arrays; got Python objects, "
                "which could run code. Save it with a dtype that is not object."
            ) from error
        raise DataError(
            f"load: {str(path)!r} must be a whole .npz file; "
            f"got {str(error) or type(error).__name__}."
        ) from error


def _dataset(
    images: npt.NDArray[Any], labels: npt.NDArray[Any], classes: tuple[str, ...]
) -> Dataset:
    """Give grey images their channel axis, and labels one axis."""
    if images.dtype == np.uint8 and images.ndim == 3:
        images = images[..., None]
    if labels.dtype.kind in "biu" and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return Dataset(images, labels, classes)
