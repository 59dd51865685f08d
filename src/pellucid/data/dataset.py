"""Images with their labels: what every other package calls data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pellucid.data.checks import (
    Images,
    Labels,
    check_classes,
    check_images,
    check_labels,
    check_range,
)
from pellucid.data.elements import check_element_type
from pellucid.data.picture_files import PictureFiles
from pellucid.data.randomness import SPLIT, generator
from pellucid.errors import DataError

_SHOWN = 20  # classes that notebooks show


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dataset:
    """Keep images together with their labels.

    Parameters
    ----------
    images : ndarray or PictureFiles
        uint8 of shape (N, H, W, C), grey has C = 1; or floats of shape (N, …).
        Plain vectors, shape (N, F), may be integers and are kept as floats.
    labels : ndarray
        Integers or booleans, kept as int64 (masks of uint8 as they are): of shape
        (N,) or (N, 1) one class each, (N, H, W) one of each pixel; or floats of shape
        (N, …).
    classes : tuple of str, optional
        The name of each integer label.
    files : tuple of str, optional
        The file that each image comes from, as a path inside its folder or zip.
    validation : Dataset, optional
        Validation data that belongs to this training data; `Model.fit` validates
        with it.

    Raises
    ------
    DataError
        If there is no example, lengths differ, a label is out of range, a float is
        not finite, or a type or shape is none of the above.

    Examples
    --------
    >>> images = np.zeros((2, 4, 4, 1), np.uint8)
    >>> data = Dataset(images, np.array([0, 1]), ("cat", "dog"))
    >>> data
    Dataset(2 images of (4, 4, 1) uint8, 2 classes: cat, dog)
    >>> len(data), data.image_shape
    (2, (4, 4, 1))
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...] = ()
    files: tuple[str, ...] = field(default=(), kw_only=True)
    validation: Dataset | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        images = self.images
        if not isinstance(images, PictureFiles):
            images = check_element_type(np.asarray(images), "Dataset")
        labels = np.asarray(self.labels)
        check_images(images)
        if labels.ndim and labels.dtype.kind in "biu":
            check_range(labels)
            if labels.dtype != np.uint8 or labels.ndim < 3:  # masks stay small
                labels = labels.astype(np.int64, copy=False)
            if labels.ndim == 2 and labels.shape[1] == 1:
                labels = labels[:, 0]
        check_labels(labels)
        if len(images) != len(labels):
            raise DataError(
                "Dataset: images and labels must have one length; "
                f"got {len(images)} images, {len(labels)} labels."
            )
        if len(self.files) not in (0, len(images)):
            raise DataError(
                "Dataset: files must name the file of each image; "
                f"got {len(self.files)} files, {len(images)} images."
            )
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "files", tuple(str(name) for name in self.files))
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "classes", tuple(str(c) for c in self.classes))
        check_classes(labels, self.classes)

    @classmethod
    def of(cls, data: Self | Sequence[Any]) -> Self:
        """Return a Dataset as it is, and make one of a pair (images, labels).

        Parameters
        ----------
        data : Dataset or pair
            Images of shape (N, …) and labels of shape (N, …).

        Returns
        -------
        Dataset
            The data.

        Raises
        ------
        DataError
            If data is neither.
        """
        if isinstance(data, cls):
            return data
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise DataError(
                "Dataset: data must be a Dataset or a pair (images, labels); "
                f"got {type(data).__name__}."
            )
        if len(data) == 3 and np.asarray(data[2]).dtype.kind == "f":
            raise DataError(
                "Dataset: the third of (images, labels, classes) must be names of "
                "classes; got floats. Give weights as fit(…, sample_weight=…)."
            )
        return cls(*data)

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.images)

    def __repr__(self) -> str:
        """Say how many images of which shape there are, and their classes."""
        what = f"{len(self)} images of {self.image_shape} {self.images.dtype}"
        if isinstance(self.images, PictureFiles):
            what += " in files"
        if not self.classes:
            kind = f"{self.labels.dtype} of {self.labels.shape}"
            return f"Dataset({what}, labels {kind})"
        names = ", ".join(self.classes[:10]) + (", …" if len(self.classes) > 10 else "")
        return f"Dataset({what}, {len(self.classes)} classes: {names})"

    def _repr_html_(self) -> str:
        """Show what there is, and how many examples each class has, in notebooks."""
        head = f"<p>{escape(repr(self))}</p>"
        if self.labels.dtype.kind not in "iu" or self.labels.ndim != 1:
            return head
        found, counts = np.unique(self.labels, return_counts=True)
        rows = "".join(
            f"<tr><td>{escape(self._class_name(int(label)))}</td><td>{count:,}</td></tr>"
            for label, count in zip(found[:_SHOWN], counts[:_SHOWN], strict=True)
        )
        more = "<tr><td>…</td><td></td></tr>" if len(found) > _SHOWN else ""
        columns = "<tr><th>class</th><th>examples</th></tr>"
        table = f"<thead>{columns}</thead><tbody>{rows}{more}</tbody>"
        return f"{head}<table>{table}</table>"

    def _class_name(self, label: int) -> str:
        return self.classes[label] if label < len(self.classes) else str(label)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image: (H, W, C), or what float images have."""
        return tuple(int(n) for n in self.images.shape[1:])

    def subset(self, indices: npt.ArrayLike) -> Self:
        """Return the examples at some positions, in that order.

        Parameters
        ----------
        indices : array of int, shape (M,)
            Positions in 0 … N − 1, M ≥ 1. Images are copied; validation data is not
            taken along.

        Returns
        -------
        Dataset
            Of M examples.

        Raises
        ------
        DataError
            If indices are no integers, lie outside, or there are none.
        """
        chosen = np.asarray(indices)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not chosen.size:
            raise DataError(
                "Dataset: indices must be a list of at least one integer; "
                f"got shape {chosen.shape}, dtype={chosen.dtype}."
            )
        low, high = int(chosen.min()), int(chosen.max())
        if low < 0 or high >= len(self):
            raise DataError(
                f"Dataset: indices must lie in 0 … {len(self) - 1}; "
                f"got {low if low < 0 else high}."
            )
        if isinstance(self.images, PictureFiles):
            images: Images = self.images.subset(chosen)
        else:
            images = self.images[chosen]
        files = tuple(self.files[i] for i in chosen.tolist()) if self.files else ()
        return type(self)(images, self.labels[chosen], self.classes, files=files)

    def split(self, fraction: float, *, seed: int = 0) -> tuple[Self, Self]:
        """Divide at random into (rest, part), each class in proportion.

        Parameters
        ----------
        fraction : float
            The size of the part, in (0, 1); round(fraction · N) examples.
        seed : int
            Two splits with one seed are equal.

        Returns
        -------
        tuple of Dataset
            Copies; both keep the order of the examples.

        Raises
        ------
        DataError
            If fraction is outside (0, 1), or one side would be empty.

        Notes
        -----
        Class c of n_c examples gives ⌊fraction · n_c⌋ of them; the examples still
        missing come from the classes with the largest remainder. Labels that are no
        classes are divided without regard to them.
        """
        rest, part = self.split_positions(fraction, seed=seed)
        return self.subset(rest), self.subset(part)

    def split_positions(
        self, fraction: float, *, seed: int = 0
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return where the examples of `split`'s two sides stand, each in order.

        Parameters
        ----------
        fraction : float
            Share of the second side, between 0 and 1.
        seed : int
            Of the random choice.

        Returns
        -------
        tuple of two ndarrays of int64
            Positions of the first and of the second side, both ascending.
        """
        if not 0 < fraction < 1:
            raise DataError(
                f"Dataset: fraction must lie between 0 and 1; got fraction={fraction}."
            )
        part = _stratified(self.labels, fraction, seed)
        if part.all() or not part.any():
            raise DataError(
                "Dataset: both sides of a split must have an example; "
                f"got fraction={fraction} of {len(self)} examples."
            )
        return np.flatnonzero(~part), np.flatnonzero(part)


def as_dataset(data: Dataset | Sequence[Any]) -> Dataset:
    """Turn a pair (images, labels) into a Dataset; a Dataset stays as it is.

    Parameters
    ----------
    data : Dataset or pair
        Images of shape (N, …) and labels of shape (N, …).

    Returns
    -------
    Dataset
        The data.
    """
    return Dataset.of(data)


def _stratified(labels: Labels, fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Choose round(fraction · N) examples, each class in proportion."""
    one_class = np.zeros(len(labels), np.int64)
    is_class = labels.dtype.kind == "i" and labels.ndim == 1
    group = np.unique(labels, return_inverse=True)[1] if is_class else one_class
    sizes = np.bincount(group)
    wanted = sizes * fraction
    counts = np.floor(wanted).astype(np.int64)
    missing = round(len(labels) * fraction) - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[: max(missing, 0)]] += 1
    order = generator(seed, 0, SPLIT).permutation(len(labels))
    order = order[np.argsort(group[order], kind="stable")]  # class after class
    place = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    chosen = np.empty(len(labels), np.bool_)
    chosen[order] = place < np.repeat(counts, sizes)
    return chosen
