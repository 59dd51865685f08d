"""Augmentation: small random changes that keep the class."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from pellucid.data.augment_ops import Draws, Pixels, cover, mirror, move, turn
from pellucid.errors import DataError

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
            out = mirror(out, draws[:, _FLIP] < 0.5)
        offsets = _offsets(draws[:, _SHIFT], self.shift)
        offsets += _offsets(draws[:, _CROP], self.crop)
        if self.rotate:
            angles = np.deg2rad(self.rotate * (2 * draws[:, _ROTATE] - 1))
            out = turn(out, offsets, angles)
        elif self.shift or self.crop:
            out = move(out, offsets, self.shift + self.crop)
        if out is images:
            out = images.copy()
        if self.cutout:
            cover(out, draws[:, _CUTOUT], self.cutout)
        return out

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : dict
            Parameters by name.

        Returns
        -------
        Augment
            An equal one.

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
