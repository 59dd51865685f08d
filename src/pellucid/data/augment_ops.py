"""Augmentation of a batch: flip, translate, rotate and cut out."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[Any]
Draws: TypeAlias = npt.NDArray[np.float64]


def mirror(images: Pixels, chosen: npt.NDArray[np.bool_]) -> Pixels:
    """Swap left and right in the chosen images of a copy."""
    out = images.copy()
    where = np.flatnonzero(chosen)
    for channel in range(images.shape[3]):  # faster than all channels at once
        out[where, :, :, channel] = images[where, :, ::-1, channel]
    return out


def move(
    images: Pixels,
    offsets: npt.NDArray[np.intp],
    most: int,
    *,
    reflect: bool = False,
) -> Pixels:
    """Shift each image by whole pixels: a window into the padded image.

    Outside is 0, or the image mirrored at its outermost pixels.
    """
    n, height, width, depth = images.shape
    padded = np.zeros((n, height + 2 * most, (width + 2 * most) * depth), images.dtype)
    rows, left = slice(most, most + height), most * depth
    flat = images.reshape(n, height, width * depth)
    padded[:, rows, left : left + width * depth] = flat
    if reflect:
        _reflect(padded.reshape(n, height + 2 * most, -1, depth), most)
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (height, width * depth), axis=(1, 2)
    )  # (n, 2 most + 1, 2 most depth + 1, height, width depth)
    row, column = (most - offsets).T
    out: Pixels = windows[np.arange(n), row, column * depth]
    return out.reshape(images.shape)


def _reflect(padded: Pixels, most: int) -> None:
    """Fill the sides with what lies as far inside of the outermost pixels."""
    for axis in (1, 2):
        pixels = np.moveaxis(padded, axis, 0)
        for i in range(1, most + 1):
            pixels[most - i] = pixels[most + i]
            pixels[i - most - 1] = pixels[-most - 1 - i]


def turn(
    images: Pixels, offsets: npt.NDArray[np.intp], angles: npt.NDArray[np.float64]
) -> Pixels:
    """Rotate about the centre counter-clockwise, then shift; bilinear.

    The output's pixel (r, c) shows the input at the inverse of that movement.
    """
    height, width = images.shape[1:3]
    kind = _kind(images)
    middle = (height - 1) / 2, (width - 1) / 2
    down = (np.arange(height) - middle[0] - offsets[:, :1]).astype(kind)
    right = (np.arange(width) - middle[1] - offsets[:, 1:]).astype(kind)
    cos, sin = (f(angles).astype(kind)[:, None] for f in (np.cos, np.sin))
    row = (cos * down)[:, :, None] + (sin * right + middle[0])[:, None, :]
    column = (-sin * down)[:, :, None] + (cos * right + middle[1])[:, None, :]
    return _sample(images, row, column)  # row, column: (n, height, width)


def _sample(images: Pixels, row: Pixels, column: Pixels) -> Pixels:
    """Look between the pixels; beyond the edge lies one pixel's width of slope to 0."""
    n, height, width, depth = images.shape
    padded = np.zeros((n, height + 2, width + 2, depth), _kind(images))
    padded[:, 1:-1, 1:-1] = images
    row, column = np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)
    top = np.minimum(row.astype(np.int32), height)
    left = np.minimum(column.astype(np.int32), width)
    below = np.subtract(row, top, dtype=row.dtype)[..., None]
    beside = np.subtract(column, left, dtype=row.dtype)[..., None]
    first = (top * (width + 2) + left).astype(np.intp)
    first += np.arange(n)[:, None, None] * ((height + 2) * (width + 2))
    flat = padded.reshape(-1, depth)
    upper, lower = (
        _between(flat.take(at, 0), flat.take(at + 1, 0), beside)
        for at in (first, first + width + 2)
    )
    out = _between(upper, lower, below)
    if images.dtype.kind == "u":
        np.rint(out, out=out)
    return out.astype(images.dtype)


def _kind(images: Pixels) -> type[np.floating[Any]]:
    """Return the type in which places and weights are computed."""
    return np.float64 if images.dtype == np.float64 else np.float32


def _between(one: Pixels, other: Pixels, weight: Pixels) -> Pixels:
    """Interpolate: one + weight · (other − one), in other's memory."""
    other -= one
    other *= weight
    other += one
    return other


def cover(images: Pixels, draws: Draws, side: int, fill: float) -> None:
    """Set a square of each image to a value; at the edge, what there is of it."""
    first = np.floor(draws * images.shape[1:3]).astype(np.intp) - side // 2
    begin, end = np.maximum(first, 0), first + side
    squares = zip(*begin.T.tolist(), *end.T.tolist(), strict=True)
    for image, (top, left, bottom, right) in zip(images, squares, strict=True):
        image[top:bottom, left:right] = fill
