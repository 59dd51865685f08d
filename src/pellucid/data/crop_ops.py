"""Random resized crops and erased rectangles, by torchvision's formulas."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data.augment_ops import Draws, Pixels

_ATTEMPTS: Final = 10
#: numbers in [0, 1) that a window takes: area and ratio of each attempt, and its place
WINDOW_DRAWS: Final = 2 * _ATTEMPTS + 2
_CROP_RATIOS: Final = 3 / 4, 4 / 3
_ERASE_AREAS: Final = 0.02, 0.33
_ERASE_RATIOS: Final = 0.3, 3.3
Indices = npt.NDArray[np.intp]


class Windows(NamedTuple):
    """A window for each image: its first row and column, height and width, (N,)."""

    top: Indices
    left: Indices
    height: Indices
    width: Indices


def crop_windows(draws: Draws, size: tuple[int, int], least: float) -> Windows:
    """Choose windows as RandomResizedCrop does, with areas from ``least`` to 1.

    Where none of ten fits, it is the largest in the middle whose ratio is allowed.
    """
    rows, columns = size
    width, height = _sizes(draws, size, (least, 1.0), _CROP_RATIOS)
    fits = (width > 0) & (width <= columns) & (height > 0) & (height <= rows)
    height, width, found = _first(height, width, fits)
    low, high = _CROP_RATIOS
    ratio = columns / rows
    middle = (
        round(columns / low) if ratio < low else rows,
        round(rows * high) if ratio > high else columns,
    )
    height = np.where(found, height, middle[0])
    width = np.where(found, width, middle[1])
    top, left = _place(draws, size, height, width)
    return Windows(
        np.where(found, top, (rows - height) // 2),
        np.where(found, left, (columns - width) // 2),
        height,
        width,
    )


def resize_windows(images: Pixels, windows: Windows) -> Pixels:
    """Enlarge each image's window to the image's size; bilinear, half-pixel centres."""
    rows, columns = images.shape[1:3]
    kind = np.float64 if images.dtype == np.float64 else np.float32
    each = np.arange(len(images))[:, None]
    first, second, share = _between(windows.top, windows.height, rows)
    share = share[:, :, None, None].astype(kind)
    out = images[each, first] * (1 - share) + images[each, second] * share
    first, second, share = _between(windows.left, windows.width, columns)
    share = share[:, None, :, None].astype(kind)
    out = np.ascontiguousarray(out.transpose(0, 2, 1, 3))  # columns first
    out = (
        out[each, first].transpose(0, 2, 1, 3) * (1 - share)
        + out[each, second].transpose(0, 2, 1, 3) * share
    )
    if images.dtype.kind == "u":
        np.rint(out, out=out)
    return out.astype(images.dtype, copy=False)


def erase_windows(draws: Draws, size: tuple[int, int]) -> Windows:
    """Choose windows as RandomErasing does; of height 0 where none of ten fits."""
    rows, columns = size
    height, width = _sizes(draws, size, _ERASE_AREAS, _ERASE_RATIOS)
    fits = (height < rows) & (width < columns)
    height, width, found = _first(height, width, fits)
    height = np.where(found, height, 0)
    return Windows(*_place(draws, size, height, width), height, width)


def erase(
    images: Pixels, windows: Windows, chosen: npt.NDArray[np.bool_], fill: float
) -> None:
    """Set the windows of the chosen images to a value, in place."""
    for i in np.flatnonzero(chosen):
        top, left, height, width = (int(part[i]) for part in windows)
        images[i, top : top + height, left : left + width] = fill


def _sizes(
    draws: Draws,
    size: tuple[int, int],
    areas: tuple[float, float],
    ratios: tuple[float, float],
) -> tuple[Indices, Indices]:
    """Return √(area · ratio) and √(area / ratio) of all attempts, (N, attempts)."""
    attempts = draws[:, : 2 * _ATTEMPTS].reshape(-1, _ATTEMPTS, 2)
    share = areas[0] + (areas[1] - areas[0]) * attempts[..., 0]
    low, high = np.log(ratios)
    ratio = np.exp(low + (high - low) * attempts[..., 1])
    area = size[0] * size[1] * share
    long, short = np.sqrt(area * ratio), np.sqrt(area / ratio)
    return np.rint(long).astype(np.intp), np.rint(short).astype(np.intp)


def _first(
    height: Indices, width: Indices, fits: npt.NDArray[np.bool_]
) -> tuple[Indices, Indices, npt.NDArray[np.bool_]]:
    """Return the first attempt that fits, and whether there is one."""
    which, each = fits.argmax(axis=1), np.arange(len(fits))
    found = np.asarray(fits.any(axis=1))
    return height[each, which], width[each, which], found


def _place(
    draws: Draws, size: tuple[int, int], height: Indices, width: Indices
) -> tuple[Indices, Indices]:
    top, left = draws[:, 2 * _ATTEMPTS], draws[:, 2 * _ATTEMPTS + 1]
    rows, columns = size
    return (
        np.floor(top * (rows - height + 1)).astype(np.intp),
        np.floor(left * (columns - width + 1)).astype(np.intp),
    )


def _between(
    first: Indices, length: Indices, count: int
) -> tuple[Indices, Indices, npt.NDArray[np.float64]]:
    """Return neighbours and the second's share for each of ``count`` places."""
    scale = (length / count)[:, None]
    place = np.maximum((np.arange(count) + 0.5) * scale - 0.5, 0.0)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, length[:, None] - 1)
    return first[:, None] + low, first[:, None] + high, place - low
