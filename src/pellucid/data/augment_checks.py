"""Checks of augmentation: its numbers, and what it is applied to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from pellucid.data.rand_augment import MOST_MAGNITUDE
from pellucid.errors import DataError

if TYPE_CHECKING:
    from pellucid.data.augment import Augment

#: name → least and most, and what it is
_RANGES = {
    "rotate": (0, 180, " degrees"),
    "resized_crop": (0, 1, ", the smallest share of the area"),
    "erase": (0, 1, ", a chance"),
    "brightness": (0, np.inf, ", a factor's range"),
    "contrast": (0, np.inf, ", a factor's range"),
    "saturation": (0, np.inf, ", a factor's range"),
    "fill": (0, 255, ", a pixel's value"),
    "hue": (0, 0.5, ", a share of the circle"),
    "magnitude": (0, MOST_MAGNITUDE, ", a strength"),
    "mixup": (0, np.inf, ", the Beta distribution's α"),
    "cutmix": (0, np.inf, ", the Beta distribution's α"),
}
_COUNTS = {
    "shift": "a number of pixels",
    "crop": "a number of pixels",
    "cutout": "a number of pixels",
    "randaugment": "a number of operations",
    "magnitude": "a strength",
}


def check_augment(augment: Augment) -> None:
    """Refuse numbers out of their range, with DataError."""
    for name, what in _COUNTS.items():
        value = getattr(augment, name)
        if not isinstance(value, (int, np.integer)) or value < 0:
            raise DataError(
                f"Augment: {name} must be {what}, at least 0; got {name}={value!r}."
            )
    for name, (least, most, what) in _RANGES.items():
        value = getattr(augment, name)
        is_number = isinstance(value, (int, float, np.number))
        if not is_number or not least <= value <= most or value == np.inf:
            rule = f"lie in {least:g} … {most:g}"
            if most == np.inf:
                rule = f"be finite and at least {least:g}"
            raise DataError(f"Augment: {name} must {rule}{what}; got {name}={value!r}.")
    if augment.reflect and (augment.rotate or not augment.shift + augment.crop):
        raise DataError(
            "Augment: reflect must come with shift or crop, and without rotate; got "
            f"shift={augment.shift}, crop={augment.crop}, rotate={augment.rotate}."
        )
    if augment.flip not in (False, True, "alternating"):
        raise DataError(
            "Augment: flip must be True, False or 'alternating'; "
            f"got flip={augment.flip!r}."
        )


def check_augment_of(augment: Augment, shape: tuple[int, ...]) -> None:
    """Refuse a shift after which nothing of an image of that shape stays in view.

    Raises
    ------
    DataError
        If it is the image's height or width, or more.
    """
    if len(shape) == 3 and augment.shift >= min(shape[:2]):
        raise DataError(
            "Augment: shift must be less than the images' height and width; got "
            f"shift={augment.shift} for images of {shape}."
        )


def check_mixable(labels: npt.NDArray[Any]) -> None:
    """Refuse to mix examples that have a label for each pixel, with DataError."""
    if labels.ndim > 2:
        raise DataError(
            "Augment: mixup and cutmix must have one label, or one row, for each "
            f"image; got labels of shape {labels.shape}."
        )


def check_images(images: npt.NDArray[Any], *, takes_floats: bool) -> None:
    """Refuse what is no batch of images, with DataError."""
    if images.ndim != 4 or images.dtype.kind not in "fu":
        raise DataError(
            "Augment: images must be uint8 or floats of shape (N, H, W, C); "
            f"got {images.dtype} of shape {images.shape}."
        )
    if not takes_floats and images.dtype != np.uint8:
        raise DataError(
            f"Augment: randaugment must have uint8 images; got {images.dtype}."
        )


def check_boxes(
    boxes: Sequence[npt.ArrayLike], count: int, size: tuple[int, int]
) -> list[npt.NDArray[np.float64]]:
    """Return each image's boxes as floats, shape (K, 4); DataError if one is none."""
    if len(boxes) != count:
        raise DataError(
            f"Augment: boxes must be {count} arrays, one for each picture; "
            f"got {len(boxes)}."
        )
    found = []
    most = np.array([size[1], size[0], size[1], size[0]])
    for number, given in enumerate(boxes):
        try:
            mine = np.asarray(given, np.float64).reshape(-1, 4)
        except (TypeError, ValueError) as error:
            raise DataError(
                "Augment: a box must be four numbers, x and y of two corners; got "
                f"{given!r} in picture {number}."
            ) from error
        fits = (mine >= 0) & (mine <= most)
        ordered = (mine[:, :2] < mine[:, 2:]).all(axis=1)
        for box in mine[~(fits.all(axis=1) & ordered)][:1]:
            raise DataError(
                "Augment: a box must lie inside its picture, from 0 to "
                f"{size[1]} × {size[0]}, its first corner at the top left; got "
                f"{box.tolist()} in picture {number}."
            )
        found.append(mine)
    return found
