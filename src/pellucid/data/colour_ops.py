"""Brightness, contrast, saturation, hue and sharpness, by torchvision's formulas.

Images are uint8, or floats from 0 to 1. What is computed of uint8 is cut off, as
torchvision does with tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from pellucid.data.augment_ops import Draws, Pixels

Factors = npt.NDArray[np.float64]
_GREY: Final = np.array([0.2989, 0.587, 0.114])
#: numbers in [0, 1) that a jitter takes: four factors, and their order
JITTER_DRAWS: Final = 8


def change_brightness(images: Pixels, factors: Factors) -> Pixels:
    """Blend with black: 0 is black, 1 the image."""
    return _blend(images, np.zeros((1, 1, 1, 1)), factors)


def change_contrast(images: Pixels, factors: Factors) -> Pixels:
    """Blend with the mean of the grey image."""
    mean = grey(images).astype(np.float64).mean(axis=(1, 2, 3), keepdims=True)
    return _blend(images, mean, factors)


def change_saturation(images: Pixels, factors: Factors) -> Pixels:
    """Blend with the grey image; a grey one stays."""
    if images.shape[3] != 3:
        return images
    return _blend(images, grey(images).astype(np.float64), factors)


def change_hue(images: Pixels, turns: Factors) -> Pixels:
    """Turn the hue by a share of the circle, −½ … ½; a grey image stays."""
    if images.shape[3] != 3:
        return images
    is_uint8 = images.dtype == np.uint8
    rgb = images / 255.0 if is_uint8 else images.astype(np.float64)
    hue, saturation, value = _hsv(rgb)
    hue = (hue + turns[:, None, None]) % 1.0
    out = _rgb(hue, saturation, value)
    if is_uint8:
        out = np.floor(out * (256 - 1e-3))
    return out.astype(images.dtype)


def change_sharpness(images: Pixels, factors: Factors) -> Pixels:
    """Blend with a smoothed image, whose edge rows and columns are the image's."""
    smooth = images.astype(np.float64)
    rows, columns = images.shape[1:3]
    if min(rows, columns) <= 2:
        return images
    total = 4 * smooth[:, 1:-1, 1:-1]  # the middle counts 5, its neighbours 1
    for i in range(3):
        for j in range(3):
            total = total + images[:, i : rows - 2 + i, j : columns - 2 + j]
    smooth[:, 1:-1, 1:-1] = total / 13
    if images.dtype.kind == "u":
        np.rint(smooth, out=smooth)
    return _blend(images, smooth, factors)


def grey(images: Pixels) -> Pixels:
    """Return the weighted mean of red, green and blue, (N, H, W, 1)."""
    if images.shape[3] != 3:
        return images
    return np.asarray((images @ _GREY)[..., None].astype(images.dtype))


def jitter(
    images: Pixels, draws: Draws, ranges: tuple[float, float, float, float]
) -> Pixels:
    """Change brightness, contrast, saturation and hue, each image in its own order.

    ``ranges`` are those of torchvision's ColorJitter: factors from 1 − r (0 at least)
    to 1 + r, the hue's turn from −r to r.
    """
    out = images.copy()
    order = np.argsort(draws[:, 4:8], axis=1)
    for place in range(4):
        for which, (change, most) in enumerate(zip(_JITTERS, ranges, strict=True)):
            few = np.flatnonzero(order[:, place] == which)
            if not most or not len(few):
                continue
            is_hue = which == 3
            low = -most if is_hue else max(0.0, 1 - most)
            high = most if is_hue else 1 + most
            out[few] = change(out[few], low + (high - low) * draws[few, which])
    return out


_JITTERS: tuple[Callable[[Pixels, Factors], Pixels], ...] = (
    change_brightness,
    change_contrast,
    change_saturation,
    change_hue,
)


def _blend(images: Pixels, other: Pixels, factors: Factors) -> Pixels:
    """Return factor · image + (1 − factor) · other, within the range."""
    f = factors[:, None, None, None]
    out = np.clip(f * images + (1 - f) * other, 0, bound(images))
    return out.astype(images.dtype)


def bound(images: Pixels) -> float:
    """Return the largest value of a pixel."""
    return 255.0 if images.dtype.kind == "u" else 1.0


def _hsv(rgb: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Return hue, saturation and value, each from 0 to 1."""
    most, least = rgb.max(axis=3), rgb.min(axis=3)
    span = most - least
    is_grey = span == 0
    divisor = np.where(is_grey, 1.0, span)
    saturation = span / np.where(is_grey, 1.0, most)
    r, g, b = ((most - rgb[..., k]) / divisor for k in range(3))
    is_red = most == rgb[..., 0]
    is_green = (most == rgb[..., 1]) & ~is_red
    hue = np.where(is_red, b - g, np.where(is_green, 2 + r - b, 4 + g - r))
    hue = np.where(is_grey, 0.0, hue)
    return (hue / 6 + 1) % 1.0, saturation, most


def _rgb(hue: Pixels, saturation: Pixels, value: Pixels) -> Pixels:
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p, q, t = (
        np.clip(value * (1 - saturation * x), 0, 1) for x in (1.0, part, 1 - part)
    )
    which = sector.astype(np.intp) % 6
    channels = (
        (value, q, p, p, t, value),
        (t, value, value, q, p, p),
        (p, p, t, value, value, q),
    )
    return np.stack([np.choose(which, one) for one in channels], axis=3)
