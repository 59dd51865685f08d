"""This file is augmentation: small random changes that leave the class alone."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

Pixels: TypeAlias = npt.NDArray[Any]
Draws: TypeAlias = npt.NDArray[np.float64]

DRAWS_PER_IMAGE: Final = 8
_SHIFT, _CROP, _CUTOUT = slice(0, 2), slice(2, 4), slice(4, 6)
_ROTATE, _FLIP = 6, 7


@dataclass(frozen=True, slots=True)
class Augment:
    """Move, turn, mirror and cover images at random.

    Parameters
    ----------
    shift : int
        Move by up to this many pixels along both axes.
    rotate : float
        Turn by up to this many degrees, either way; bilinear.
    flip : bool
        Mirror left and right, every second time.
    crop : int
        Pad by this many pixels on each side, and cut out a window of the old size.
    cutout : int
        Cover a square with this side in pixels, its centre anywhere.

    Raises
    ------
    DataError
        If a number is negative, not finite, or more than 180 degrees.

    Notes
    -----
    Whatever comes into view from outside is 0. The order is flip, then shift, crop
    and rotation in one step, then cutout.

    References
    ----------
    T. DeVries, G. Taylor, Improved regularization of convolutional neural networks
    with cutout. arXiv:1708.04552, 2017.

    Examples
    --------
    >>> images = np.ones((1, 4, 4, 1), np.uint8)
    >>> Augment(cutout=2).apply(images, np.random.default_rng(0)).shape
    (1, 4, 4, 1)
    """

    shift: int = 0
    rotate: float = 0.0
    flip: bool = False
    crop: int = 0
    cutout: int = 0

    def __post_init__(self) -> None:
        for name in ("shift", "crop", "cutout"):
            value = getattr(self, name)
            if not isinstance(value, (int, np.integer)) or value < 0:
                raise DataError(
                    f"Augment: {name} must be a number of pixels, at least 0; "
                    f"got {name}={value!r}."
                )
        if not 0 <= self.rotate <= 180:
            raise DataError(
                "Augment: rotate must lie in 0 … 180 degrees; "
                f"got rotate={self.rotate}."
            )

    def apply(self, images: Pixels, rng: np.random.Generator) -> Pixels:
        """Change each image of a batch in its own way.

        Parameters
        ----------
        images : ndarray of uint8 or float, shape (N, H, W, C)
            The batch; it stays as it is.
        rng : numpy.random.Generator
            Gives eight numbers for each image.

        Returns
        -------
        ndarray
            A new array of the same type and shape.

        Raises
        ------
        DataError
            If images have another shape or type.
        """
        return self.transform(images, rng.random((len(images), DRAWS_PER_IMAGE)))

    def transform(self, images: Pixels, draws: Draws) -> Pixels:
        """Change each image as its row of numbers says.

        Parameters
        ----------
        images : ndarray of uint8 or float, shape (N, H, W, C)
            The batch; it stays as it is.
        draws : ndarray of float64, shape (N, 8)
            In [0, 1).

        Returns
        -------
        ndarray
            A new array of the same type and shape.

        Raises
        ------
        DataError
            If images have another shape or type.
        """
        if images.ndim != 4 or images.dtype.kind not in "fu":
            raise DataError(
                "Augment: images must be uint8 or floats of shape (N, H, W, C); "
                f"got {images.dtype} of shape {images.shape}."
            )
        out = images
        if self.flip:
            out = _mirror(out, draws[:, _FLIP] < 0.5)
        offsets = _offsets(draws[:, _SHIFT], self.shift)
        offsets += _offsets(draws[:, _CROP], self.crop)
        if self.rotate:
            angles = np.deg2rad(self.rotate * (2 * draws[:, _ROTATE] - 1))
            out = _turn(out, offsets, angles)
        elif self.shift or self.crop:
            out = _move(out, offsets, self.shift + self.crop)
        if out is images:
            out = images.copy()
        if self.cutout:
            _cover(out, draws[:, _CUTOUT], self.cutout)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        DataError
            If a key is none of the parameters.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(document) - set(known))
        if unknown:
            raise DataError(
                f"Augment: keys must be {', '.join(known)}; got {unknown[0]!r}."
            )
        return cls(**document)


def _offsets(draws: Draws, most: int) -> npt.NDArray[np.intp]:
    """Turn numbers in [0, 1) into whole numbers from −most to most."""
    return np.floor(draws * (2 * most + 1)).astype(np.intp) - most


def _mirror(images: Pixels, chosen: npt.NDArray[np.bool_]) -> Pixels:
    """Swap left and right in the chosen images of a copy."""
    out = images.copy()
    where = np.flatnonzero(chosen)
    for channel in range(images.shape[3]):  # faster than all channels at once
        out[where, :, :, channel] = images[where, :, ::-1, channel]
    return out


def _move(images: Pixels, offsets: npt.NDArray[np.intp], most: int) -> Pixels:
    """Shift each image by whole pixels: a window into the padded image."""
    n, height, width, depth = images.shape
    padded = np.zeros((n, height + 2 * most, (width + 2 * most) * depth), images.dtype)
    rows, left = slice(most, most + height), most * depth
    flat = images.reshape(n, height, width * depth)
    padded[:, rows, left : left + width * depth] = flat
    windows = np.lib.stride_tricks.sliding_window_view(
        padded, (height, width * depth), axis=(1, 2)
    )  # (n, 2 most + 1, 2 most depth + 1, height, width depth)
    row, column = (most - offsets).T
    out: Pixels = windows[np.arange(n), row, column * depth]
    return out.reshape(images.shape)


def _turn(
    images: Pixels, offsets: npt.NDArray[np.intp], angles: npt.NDArray[np.float64]
) -> Pixels:
    """Rotate about the centre counter-clockwise, then shift; bilinear.

    The output's pixel (r, c) shows the input at the inverse of that movement.
    """
    height, width = images.shape[1:3]
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    down = (np.arange(height) - middle[0] - offsets[:, :1]).astype(np.float32)
    right = (np.arange(width) - middle[1] - offsets[:, 1:]).astype(np.float32)
    cos, sin = (f(angles).astype(np.float32)[:, None] for f in (np.cos, np.sin))
    row = (cos * down)[:, :, None] + (sin * right + middle[0])[:, None, :]
    column = (-sin * down)[:, :, None] + (cos * right + middle[1])[:, None, :]
    return _sample(images, row, column)  # row, column: (n, height, width)


def _sample(images: Pixels, row: Pixels, column: Pixels) -> Pixels:
    """Look between the pixels; beyond the edge lies one pixel's width of slope to 0."""
    n, height, width, depth = images.shape
    kind = np.float64 if images.dtype == np.float64 else np.float32
    padded = np.zeros((n, height + 2, width + 2, depth), kind)
    padded[:, 1:-1, 1:-1] = images
    row, column = np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)
    top = np.minimum(row.astype(np.intp), height)
    left = np.minimum(column.astype(np.intp), width)
    first = top * (width + 2) + left
    first += np.arange(n)[:, None, None] * math.prod(padded.shape[1:3])
    below, beside = (row - top)[..., None], (column - left)[..., None]
    flat = padded.reshape(-1, depth)
    upper, lower = (
        _between(flat.take(at, 0), flat.take(at + 1, 0), beside)
        for at in (first, first + width + 2)
    )
    out = _between(upper, lower, below)
    if images.dtype.kind == "u":
        np.rint(out, out=out)
    return out.astype(images.dtype)


def _between(one: Pixels, other: Pixels, weight: Pixels) -> Pixels:
    """Interpolate: one + weight · (other − one), in other's memory."""
    other -= one
    other *= weight
    other += one
    return other


def _cover(images: Pixels, draws: Draws, side: int) -> None:
    """Set a square of each image to 0; at the edge, what there is of it."""
    first = np.floor(draws * images.shape[1:3]).astype(np.intp) - side // 2
    begin, end = np.maximum(first, 0), first + side
    squares = zip(*begin.T.tolist(), *end.T.tolist(), strict=True)
    for image, (top, left, bottom, right) in zip(images, squares, strict=True):
        image[top:bottom, left:right] = 0
