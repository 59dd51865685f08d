"""Checks of images and labels."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from pellucid.data.picture_files import PictureFiles
from pellucid.errors import DataError

Images: TypeAlias = npt.NDArray[Any] | PictureFiles
Labels: TypeAlias = npt.NDArray[Any]

_CHECKED_AT_ONCE = 1 << 20


def check_images(images: Images) -> None:
    """Refuse images that no network could take."""
    if images.dtype == np.uint8 and len(images.shape) not in (2, 4):
        raise DataError(
            "Dataset: uint8 images must have shape (N, H, W, C); got shape="
            f"{images.shape}. Grey images need a channel axis: images[..., None]."
        )
    if len(images.shape) < 2:
        raise DataError(
            f"Dataset: images must have shape (N, …); got shape={images.shape}."
        )
    if 0 in images.shape:
        raise DataError(
            "Dataset: images must hold at least one example and pixel; "
            f"got shape={images.shape}."
        )
    if not isinstance(images, PictureFiles) and images.dtype.kind == "f":
        _check_finite("images", images)


def check_labels(labels: Labels) -> None:
    """Refuse labels that are neither classes nor finite numbers."""
    if labels.dtype.kind not in "iuf" or labels.ndim == 0:
        raise DataError(
            "Dataset: labels must be an array of integers or floats; "
            f"got shape={labels.shape}, dtype={labels.dtype}."
        )
    if labels.dtype.kind == "f":
        _check_finite("labels", labels)


def check_range(labels: Labels) -> None:
    """Refuse integers that cannot be the number of a class."""
    if not labels.size:
        return
    wrong = (labels < 0) | (labels > np.iinfo(np.int64).max)
    if wrong.any():
        first = int(np.argmax(wrong.reshape(len(labels), -1).any(axis=1)))
        raise DataError(
            "Dataset: integer labels must be at least 0; "
            f"got {labels[first]} at position {first}."
        )


def check_classes(labels: Labels, classes: tuple[str, ...]) -> None:
    """Refuse labels without a name, and names that are given twice."""
    if not classes:
        return
    if len(set(classes)) != len(classes):
        twice = next(c for c in classes if classes.count(c) > 1)
        raise DataError(f"Dataset: classes must be distinct; got {twice!r} twice.")
    if labels.dtype.kind in "iu" and int(labels.max()) >= len(classes):
        first = int(np.argmax(labels.reshape(len(labels), -1).max(axis=1)))
        raise DataError(
            f"Dataset: labels must lie in 0 … {len(classes) - 1}, one per class; "
            f"got {int(labels.max())} at position {first}."
        )
    if labels.dtype.kind == "f" and labels.ndim == 2:
        columns = labels.shape[1]
        if columns not in (1, len(classes)):
            raise DataError(
                "Dataset: soft labels must have one column per class; "
                f"got {columns} columns, {len(classes)} classes."
            )


def _check_finite(name: str, values: npt.NDArray[Any]) -> None:
    """Refuse NaN and infinity, naming the first example that has one."""
    step = max(1, _CHECKED_AT_ONCE * len(values) // max(values.size, 1))
    for start in range(0, len(values), step):
        finite = np.isfinite(values[start : start + step])
        if finite.all():
            continue
        place = np.argwhere(~cast("npt.NDArray[np.bool_]", finite))[0]
        place[0] += start
        raise DataError(
            f"Dataset: {name} must be finite; "
            f"got {values[tuple(place)]} at {tuple(int(i) for i in place)}."
        )
