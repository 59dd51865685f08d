"""MixUp and CutMix: each example of a batch is mixed with the one before it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data.augment_checks import check_mixable

Array = npt.NDArray[Any]


class Mix(NamedTuple):
    """How one batch is mixed.

    Parameters
    ----------
    share : float
        λ: what remains of each example.
    cuts : bool
        Whether a rectangle is exchanged (CutMix), or all is blended (MixUp).
    row, column : float
        The rectangle's centre, from 0 to less than 1.
    """

    share: float
    cuts: bool
    row: float
    column: float


def draw_mixes(
    rng: np.random.Generator, count: int, *, mixup: float, cutmix: float
) -> list[Mix]:
    """Draw how each batch of an epoch is mixed, λ from Beta(α, α).

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the epoch.
    count : int
        Batches.
    mixup, cutmix : float
        α of each; where both are above 0, each batch takes one of them at random.

    Returns
    -------
    list of Mix
        One for each batch.
    """
    choices = rng.random((count, 3))
    shares = {
        alpha: rng.beta(alpha, alpha, count) if alpha else np.ones(count)
        for alpha in (mixup, cutmix)
    }
    found = []
    for i, (which, row, column) in enumerate(choices.tolist()):
        cuts = bool(cutmix) and (not mixup or which < 0.5)
        share = float(shares[cutmix if cuts else mixup][i])
        found.append(Mix(share, cuts, row, column))
    return found


def mix_batch(images: Array, labels: Array, mix: Mix) -> tuple[Array, Array]:
    """Mix a batch by torchvision's formulas.

    Parameters
    ----------
    images : ndarray of float, shape (N, H, W, C)
        As the network takes them.
    labels : ndarray of float, shape (N, …)
        Probabilities of classes, or values.
    mix : Mix
        How.

    Returns
    -------
    tuple of ndarray
        Mixed images and labels, new arrays.
    """
    mixed, share = mix_input(images, mix)
    return mixed, blend(labels, share)


def mix_input(images: Array, mix: Mix) -> tuple[Array, float]:
    """Return one input's mixed examples, and the share that remains of each.

    Only images can be cut; any input can be blended.
    """
    other, share = np.roll(images, 1, axis=0), mix.share
    if mix.cuts:
        rows, columns = images.shape[1:3]
        radius = 0.5 * np.sqrt(1 - share)
        half = int(radius * rows), int(radius * columns)
        row, column = int(mix.row * rows), int(mix.column * columns)
        top, bottom = max(row - half[0], 0), min(row + half[0], rows)
        left, right = max(column - half[1], 0), min(column + half[1], columns)
        mixed = images.copy()
        mixed[:, top:bottom, left:right] = other[:, top:bottom, left:right]
        share = 1 - (bottom - top) * (right - left) / (rows * columns)
        return mixed, share
    return blend(images, share), share


def soft_labels(labels: Array, columns: int | None, dtype: Any) -> Array:
    """Return labels that can be mixed: probabilities of classes, or numbers.

    Parameters
    ----------
    labels : ndarray, shape (N, …)
        Classes of shape (N,), or numbers of any shape but that of an image.
    columns : int or None
        Classes that integers count; None where they are numbers.
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray of dtype
        A row for each example where labels are classes.

    Raises
    ------
    DataError
        If there is a label for each pixel.
    """
    check_mixable(labels)
    if columns is not None and labels.dtype.kind in "iu" and labels.ndim == 1:
        return np.asarray(labels[:, None] == np.arange(columns), dtype)
    return labels.astype(dtype)


def blend(array: Array, share: float) -> Array:
    """Blend each example of a batch with the one before it."""
    kept = np.asarray(share, array.dtype)
    return np.asarray(array * kept + np.roll(array, 1, axis=0) * (1 - kept))
