"""EMNIST: its six splits, brought to the form of MNIST.

Its authors wrote the files from MATLAB, where arrays go column by column: each picture
lies transposed in the file, in every split. The letters are numbered from 1.

References
----------
G. Cohen, S. Afshar, J. Tapson, A. van Schaik, EMNIST: an extension of MNIST to
handwritten letters, 2017, arXiv:1702.05373; https://www.nist.gov/itl/products-and-services/emnist-dataset.
"""

from __future__ import annotations

from string import ascii_lowercase, ascii_uppercase, digits
from typing import Final

import numpy as np

from pellucid.data.checks import Labels
from pellucid.data.picture import Pixels
from pellucid.errors import DataError

_MERGED: Final = "abdefghnqrt"  # small letters that differ from their capitals
#: names of the labels of each split, in the order of its mapping file
CLASSES: Final = {
    "emnist-byclass": tuple(digits + ascii_uppercase + ascii_lowercase),
    "emnist-bymerge": tuple(digits + ascii_uppercase + _MERGED),
    "emnist-balanced": tuple(digits + ascii_uppercase + _MERGED),
    "emnist-letters": tuple(ascii_uppercase),
    "emnist-digits": tuple(digits),
    "emnist-mnist": tuple(digits),
}
_LETTERS: Final = "emnist-letters"


def classes_of(name: str) -> tuple[str, ...]:
    """Return the names of the labels of a split; nothing for other datasets."""
    split = _split(name)
    return CLASSES[split] if split else ()


def to_mnist_form(name: str, images: Pixels, labels: Labels) -> tuple[Pixels, Labels]:
    """Turn pictures upright and number classes from 0; other datasets stay.

    Parameters
    ----------
    name : str
        What the names of the files begin with, such as "emnist-letters".
    images : ndarray of uint8, shape (N, H, W, 1)
        As they lie in the file.
    labels : ndarray of uint8, shape (N,)
        As they lie in the file.

    Raises
    ------
    DataError
        If a letter's label is not one of 1 … 26, or EMNIST has no such split.
    """
    split = _split(name)
    if split is None:
        return images, labels
    upright = np.ascontiguousarray(images.transpose(0, 2, 1, 3))
    if split != _LETTERS:
        return upright, labels
    if labels.size and not 1 <= labels.min() <= labels.max() <= len(CLASSES[split]):
        raise DataError(
            "load: labels of EMNIST's letters must lie in 1 … 26; "
            f"got {labels.min()} … {labels.max()}."
        )
    return upright, labels - np.uint8(1)


def _split(name: str) -> str | None:
    """Return which split of EMNIST files belong to; None for other datasets."""
    if "emnist" not in name:
        return None
    found = next((split for split in CLASSES if name.endswith(split)), None)
    if found is None:
        raise DataError(
            f"load: files of EMNIST must be called like {', '.join(CLASSES)}; "
            f"got {name!r}."
        )
    return found
