"""RandAugment: operations of one strength, chosen at random for each image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data.augment_ops import Draws, Pixels
from pellucid.data.colour_ops import (
    bound,
    change_brightness,
    change_contrast,
    change_saturation,
    change_sharpness,
)
from pellucid.data.warp import Matrices, warp

#: of torchvision: strengths are counted from 0 to 30
MOST_MAGNITUDE: Final = 30
#: numbers in [0, 1) that an operation takes: which it is, and its sign
OPERATION_DRAWS: Final = 2
Levels = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def shear_x(levels: Levels, size: tuple[int, int]) -> Matrices:
    """Return where each output's (x, y, 1) lies in the input."""
    del size
    return _matrices(levels, {(0, 1): levels})


def shear_y(levels: Levels, size: tuple[int, int]) -> Matrices:
    """Shear rows."""
    del size
    return _matrices(levels, {(1, 0): levels})


def translate_x(levels: Levels, size: tuple[int, int]) -> Matrices:
    """Move to the right by whole pixels: 150 / 331 of the width at most."""
    return _matrices(levels, {(0, 2): -np.trunc(levels * 150 / 331 * size[1])})


def translate_y(levels: Levels, size: tuple[int, int]) -> Matrices:
    """Move downwards."""
    return _matrices(levels, {(1, 2): -np.trunc(levels * 150 / 331 * size[0])})


def rotate(levels: Levels, size: tuple[int, int]) -> Matrices:
    """Turn counter-clockwise about the centre, in degrees."""
    cos, sin = np.cos(np.deg2rad(levels)), np.sin(np.deg2rad(levels))
    x, y = size[1] / 2, size[0] / 2
    places = {(0, 0): cos, (0, 1): -sin, (1, 0): sin, (1, 1): cos}
    places[0, 2] = x - cos * x + sin * y
    places[1, 2] = y - sin * x - cos * y
    return _matrices(levels, places)


def _matrices(levels: Levels, places: dict[tuple[int, int], Levels]) -> Matrices:
    found = np.tile(np.eye(3), (len(levels), 1, 1))
    for (row, column), value in places.items():
        found[:, row, column] = value
    return found


def posterize(images: Pixels, levels: Levels) -> Pixels:
    """Keep the highest bits of each value."""
    bits = (8 - np.rint(levels * 4)).astype(np.intp)
    masks = (256 - 2 ** (8 - bits)).astype(np.uint8)
    return images & masks[:, None, None, None]


def solarize(images: Pixels, levels: Levels) -> Pixels:
    """Invert the values from a threshold on."""
    threshold = (255 * (1 - levels))[:, None, None, None]
    return np.where(images >= threshold, 255 - images, images)


def autocontrast(images: Pixels, levels: Levels) -> Pixels:
    """Stretch each channel to the whole range."""
    del levels
    least = images.min(axis=(1, 2), keepdims=True).astype(np.float64)
    span = images.max(axis=(1, 2), keepdims=True) - least
    is_flat = span == 0
    scale = bound(images) / np.where(is_flat, 1.0, span)
    least, scale = np.where(is_flat, 0.0, least), np.where(is_flat, 1.0, scale)
    stretched = np.clip((images - least) * scale, 0, bound(images))
    return stretched.astype(images.dtype)


def equalize(images: Pixels, levels: Levels) -> Pixels:
    """Spread each channel's values evenly."""
    del levels
    out = images.copy()
    for n, channel in np.ndindex(len(images), images.shape[3]):
        values = images[n, :, :, channel]
        counts = np.bincount(values.ravel(), minlength=256)
        step = int(counts[counts > 0][:-1].sum() // 255)
        if step:
            table = (np.cumsum(counts) + step // 2) // step
            table = np.clip(np.concatenate([[0], table[:-1]]), 0, 255)
            out[n, :, :, channel] = table.astype(np.uint8)[values]
    return out


class Operation(NamedTuple):
    """An operation: the level at the largest magnitude, and what computes it."""

    most: float
    is_signed: bool
    moves: Callable[[Levels, tuple[int, int]], Matrices] | None = None
    changes: Callable[[Pixels, Levels], Pixels] | None = None


def _enhance(change: Callable[[Pixels, Levels], Pixels]) -> Operation:
    return Operation(
        0.9, True, changes=lambda images, levels: change(images, 1 + levels)
    )


OPERATIONS: dict[str, Operation] = {
    "identity": Operation(0.0, False),
    "shear_x": Operation(0.3, True, moves=shear_x),
    "shear_y": Operation(0.3, True, moves=shear_y),
    "translate_x": Operation(1.0, True, moves=translate_x),
    "translate_y": Operation(1.0, True, moves=translate_y),
    "rotate": Operation(30.0, True, moves=rotate),
    "brightness": _enhance(change_brightness),
    "saturation": _enhance(change_saturation),
    "contrast": _enhance(change_contrast),
    "sharpness": _enhance(change_sharpness),
    "posterize": Operation(1.0, False, changes=posterize),
    "solarize": Operation(1.0, False, changes=solarize),
    "autocontrast": Operation(0.0, False, changes=autocontrast),
    "equalize": Operation(0.0, False, changes=equalize),
}


def choose(draws: Draws, magnitude: int) -> list[tuple[Operation, Indices, Levels]]:
    """Return the operations of one round: each with its images and levels."""
    which = np.floor(draws[:, 0] * len(OPERATIONS)).astype(np.intp)
    found = []
    for number, operation in enumerate(OPERATIONS.values()):
        few = np.flatnonzero(which == number)
        if len(few):
            level = operation.most * magnitude / MOST_MAGNITUDE
            signs = np.where(draws[few, 1] < 0.5, -1.0, 1.0)
            levels = level * (signs if operation.is_signed else np.ones(len(few)))
            found.append((operation, few, levels))
    return found


def apply_round(images: Pixels, draws: Draws, magnitude: int) -> Pixels:
    """Apply one operation to each image; what comes from outside is 0."""
    out = images.copy()
    for operation, few, levels in choose(draws, magnitude):
        if operation.moves is not None:
            matrices = operation.moves(levels, images.shape[1:3])
            out[few] = warp(images[few], [matrices])
        if operation.changes is not None:
            out[few] = operation.changes(images[few], levels)
    return out


def round_matrices(draws: Draws, magnitude: int, size: tuple[int, int]) -> Matrices:
    """Return where a round takes each output's (x, y, 1) from, in pixels' corners."""
    found = np.tile(np.eye(3), (len(draws), 1, 1))
    for operation, few, levels in choose(draws, magnitude):
        if operation.moves is not None:
            found[few] = operation.moves(levels, size)
    return found
