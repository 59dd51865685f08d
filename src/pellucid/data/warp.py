"""Movement of pictures, masks and boxes by matrices.

A matrix says where each output's (x, y, 1) lies in the input; a pixel's centre is half
a pixel from its corner. Of several stages the first comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[Any]
Matrices: TypeAlias = npt.NDArray[np.float64]


def warp(images: Pixels, stages: Sequence[Matrices]) -> Pixels:
    """Take each pixel from the nearest one of the input; 0 from outside.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, …)
        Images, or masks.
    stages : sequence of ndarray, shape (N, 3, 3)
        What lies outside after any of them is 0.

    Returns
    -------
    ndarray
        A new array of the same type and shape.
    """
    rows, columns = images.shape[1:3]
    y, x = np.mgrid[:rows, :columns] + 0.5
    places = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    inside: Any = True
    for matrices in reversed(stages):
        places = matrices @ places  # (n, 3, pixels)
        x, y = places[:, 0], places[:, 1]
        inside &= (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    if not stages:
        return images.copy()
    column = np.clip(np.floor(places[:, 0]), 0, columns - 1).astype(np.intp)
    row = np.clip(np.floor(places[:, 1]), 0, rows - 1).astype(np.intp)
    taken = images[np.arange(len(images))[:, None], row, column]
    shape = (*inside.shape, *(1,) * (images.ndim - 3))
    out = np.where(inside.reshape(shape), taken, np.zeros((), images.dtype))
    return out.reshape(images.shape)


def move_boxes(
    boxes: Pixels, stages: Sequence[npt.NDArray[np.float64]], size: tuple[int, int]
) -> tuple[Pixels, npt.NDArray[np.intp]]:
    """Move one picture's boxes; what leaves the picture is cut off.

    Parameters
    ----------
    boxes : ndarray of float, shape (K, 4)
        x and y of the corner at the top left and of that at the bottom right.
    stages : sequence of ndarray, shape (3, 3)
        Of this picture.
    size : tuple of int
        Its height and width.

    Returns
    -------
    tuple of ndarray
        The smallest upright boxes around what was moved, and which they were: boxes
        that have left the picture are left out.
    """
    total = np.eye(3)
    for matrix in stages:
        total = total @ matrix
    forward = np.linalg.inv(total)
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = corners @ forward[:2, :2].T + forward[:2, 2]
    most = np.array([size[1], size[0]], np.float64)
    low = np.clip(moved.min(axis=1), 0, most)
    high = np.clip(moved.max(axis=1), 0, most)
    kept = np.flatnonzero(((high - low) > 0).all(axis=1))
    return np.concatenate([low, high], axis=1)[kept], kept


def mirror_matrices(chosen: npt.NDArray[np.bool_], columns: int) -> Matrices:
    """Return where mirrored pictures' pixels come from."""
    found = np.tile(np.eye(3), (len(chosen), 1, 1))
    found[chosen, 0, 0], found[chosen, 0, 2] = -1, columns
    return found


def turn_matrices(
    offsets: npt.NDArray[np.intp], angles: Pixels, size: tuple[int, int]
) -> Matrices:
    """Return where pixels come from that are turned about the centre, then shifted."""
    found = np.tile(np.eye(3), (len(offsets), 1, 1))
    cos, sin = np.cos(angles), np.sin(angles)
    found[:, 0, 0] = found[:, 1, 1] = cos
    found[:, 0, 1], found[:, 1, 0] = -sin, sin
    middle = np.array([size[1] / 2, size[0] / 2])
    shifted = middle + offsets[:, ::-1]
    found[:, :2, 2] = middle - np.einsum("nij,nj->ni", found[:, :2, :2], shifted)
    return found


def crop_matrices(windows: Any, size: tuple[int, int]) -> Matrices:
    """Return where pixels come from that are a window, enlarged."""
    found = np.tile(np.eye(3), (len(windows.top), 1, 1))
    found[:, 0, 0], found[:, 0, 2] = windows.width / size[1], windows.left
    found[:, 1, 1], found[:, 1, 2] = windows.height / size[0], windows.top
    return found
