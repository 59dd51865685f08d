"""MNIST's preparation of a digit, for any picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pellucid.data.picture import Pixels
from pellucid.errors import DataError

SIDE_PX: Final = 28
BOX_PX: Final = 20
INK: Final = 0.2  # of the lightest pixel; below it counts as background


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitSteps:
    """Say what `prepare_digit` did.

    Parameters
    ----------
    inverted : bool
        The picture was dark on light.
    box : (int, int, int, int)
        Top, left, bottom, right of the ink in the picture, in pixels; bottom and
        right are the first without ink.
    scale : float
        Pixels of the digit per pixel of the picture.
    shift : (int, int)
        Row and column in the 28×28 image where the scaled box begins.
    """

    inverted: bool
    box: tuple[int, int, int, int]
    scale: float
    shift: tuple[int, int]


def digit(pixels: Pixels) -> Pixels:
    """Bring a picture of one digit to the form of MNIST's images.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W), (H, W, 1) or (H, W, 3)
        The picture, light on dark or dark on light.

    Returns
    -------
    ndarray of uint8, shape (28, 28, 1)
        The digit, light on dark.

    Raises
    ------
    DataError
        If the picture has another type or shape, or shows nothing.

    Notes
    -----
    Its bounding box is scaled to fit 20×20 with its aspect ratio kept and
    antialiased, then placed so that its centre of mass is pixel (14, 14) of 28×28.

    References
    ----------
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to
    document recognition. Proceedings of the IEEE 86(11), 1998, section III.A; the
    same words at http://yann.lecun.com/exdb/mnist/.
    """
    return prepare_digit(pixels)[0]


def prepare_digit(pixels: Pixels) -> tuple[Pixels, DigitSteps]:
    """Do what `digit` does, and say what was done.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W), (H, W, 1) or (H, W, 3)
        The picture.

    Returns
    -------
    tuple of ndarray and DigitSteps
        uint8 pixels of shape (28, 28, 1), and box, scale and shift.

    Raises
    ------
    DataError
        As `digit`.
    """
    grey = _grey(pixels)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    inverted = bool(np.median(border) > 127)
    ink = 255 - grey if inverted else grey
    top, left, bottom, right = box = _box(ink)
    scale = BOX_PX / max(bottom - top, right - left)
    small = _resize(ink[top:bottom, left:right], scale)
    row, column = (_start(small, axis) for axis in (0, 1))
    out = np.zeros((SIDE_PX, SIDE_PX, 1), np.uint8)
    out[row : row + small.shape[0], column : column + small.shape[1], 0] = small
    steps = DigitSteps(inverted=inverted, box=box, scale=scale, shift=(row, column))
    return out, steps


def _grey(pixels: Pixels) -> Pixels:
    """Return the brightness of each pixel, shape (H, W)."""
    shape = pixels.shape
    fits = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    if not fits or 0 in shape or pixels.dtype != np.uint8:
        raise DataError(
            "digit: pixels must be uint8 of shape (H, W), (H, W, 1) or (H, W, 3); "
            f"got {pixels.dtype} of shape {shape}."
        )
    if len(shape) == 2:
        return pixels
    if shape[2] == 1:
        return pixels[..., 0]
    luma: npt.NDArray[Any] = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    rounded: Pixels = np.rint(luma).astype(np.uint8)
    return rounded


def _box(ink: Pixels) -> tuple[int, int, int, int]:
    """Return the bounding box of what is clearly lighter than the background."""
    low, high = int(ink.min()), int(ink.max())
    if high == low:
        raise DataError(
            f"digit: the picture must show a digit; got {high} in every pixel."
        )
    seen = ink > max(INK * high, low)
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _resize(ink: Pixels, scale: float) -> Pixels:
    """Scale with antialiasing."""
    from PIL import Image

    height, width = (max(1, round(n * scale)) for n in ink.shape)
    image = Image.fromarray(np.ascontiguousarray(ink))
    return np.array(image.resize((width, height), Image.Resampling.LANCZOS), np.uint8)


def _start(small: Pixels, axis: int) -> int:
    """Return where the box begins, so that its centre of mass is in the middle.

    The middle is pixel 14, counted from 0: there lies the centre of mass of each of
    MNIST's images, give or take half a pixel.
    """
    mass = small.sum(axis=1 - axis, dtype=np.float64)
    centre = float((mass * np.arange(len(mass))).sum() / mass.sum())
    return int(np.clip(round(SIDE_PX // 2 - centre), 0, SIDE_PX - len(mass)))
