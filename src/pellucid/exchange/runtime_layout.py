"""Hand images to a runtime as its file takes them: layout of axes, batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    channels_first,
    channels_last,
)

Sizes = Sequence[Any]  # of a file's tensor: numbers, or what stands for a free one


def adapt(
    predict: Predict,
    *,
    takes: Sizes,
    own: tuple[int, ...],
    gives: tuple[int, ...],
    usual: str = "first",
) -> Predict:
    """Return a function of images (N, H, W, C) for one of the file's own arrays.

    Parameters
    ----------
    predict : callable
        The runtime: the file's layout in and out, of the batch size that it fixes.
    takes : sequence
        Shape of the file's input; a free size is anything but a positive int.
    own, gives : tuple of int
        The network's input and output shape.
    usual : {"first", "last"}
        Where channels are in files of this kind, where the shape fits both.
    """
    is_first = is_channels_first(takes, own, usual=usual)
    batch = fixed_size(takes[0]) if len(takes) else None

    def run(images: Array) -> Array:
        given = channels_first(images) if is_first else images
        made = in_batches(predict, given, batch)
        return restore_layout(made, gives, is_first=is_first)

    return run


def fixed_size(size: Any) -> int | None:
    """Return a size that a file fixes; None for a free one."""
    is_fixed = isinstance(size, int | np.integer) and size > 0
    return int(size) if is_fixed else None


def is_channels_first(takes: Sizes, own: tuple[int, ...], *, usual: str) -> bool:
    """Return whether a file's images are (N, C, H, W), by the sizes that it fixes."""
    if len(own) != 3 or len(takes) != 4:
        return False
    first, last = (own[2], own[0], own[1]), own
    fits_first, fits_last = (_fits(takes[1:], sizes) for sizes in (first, last))
    return fits_first if fits_first != fits_last else usual == "first"


def _fits(takes: Sizes, sizes: tuple[int, ...]) -> bool:
    return all(
        fixed_size(size) in (None, own) for size, own in zip(takes, sizes, strict=True)
    )


def in_batches(predict: Predict, images: Array, size: int | None) -> Array:
    """Predict in batches of the size that a file fixes, the last one filled up."""
    if size is None or len(images) == size:
        return np.asarray(predict(images))
    made = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        missing = size - len(part)
        filled = np.concatenate([part, np.repeat(part[-1:], missing, axis=0)])
        made.append(np.asarray(predict(np.ascontiguousarray(filled)))[: len(part)])
    return np.concatenate(made)


def restore_layout(outputs: Array, gives: tuple[int, ...], *, is_first: bool) -> Array:
    """Return outputs in the network's layout, as far as their shape tells."""
    shape = outputs.shape[1:]
    turned = channels_last(outputs)
    if outputs.ndim == 4 and turned.shape[1:] == gives:
        return turned if shape != gives or is_first else outputs
    if shape != gives and _essence(shape) == _essence(gives):
        return outputs.reshape(len(outputs), *gives)  # axes of length 1
    return outputs


def _essence(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
