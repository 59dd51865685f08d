"""Examples with several inputs or several labels, and their batches."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pellucid.data.augment import Augment
from pellucid.data.augment_checks import check_augment_of, check_mixable
from pellucid.data.augment_ops import Draws
from pellucid.data.batches import Batch, Batches, Indices
from pellucid.data.dataset import _stratified
from pellucid.data.mixing import Mix, blend, mix_input, soft_labels
from pellucid.errors import DataError

Array = npt.NDArray[Any]
_IMAGES = 4  # axes of a batch of images


@dataclass(frozen=True, slots=True, eq=False)
class SeveralDataset:
    """Keep the arrays of all inputs together with the labels of all outputs.

    Parameters
    ----------
    images : tuple of ndarray, each of shape (N, …)
        One for each input of a network.
    labels : tuple of ndarray or None
        One for each output; None for an output that is not trained.
    validation : SeveralDataset, optional
        Validation data that belongs to this training data.

    Raises
    ------
    DataError
        If there is no example, or the arrays are not of one length.
    """

    images: tuple[Array, ...]
    labels: tuple[Array | None, ...]
    validation: SeveralDataset | None = None

    def __post_init__(self) -> None:
        given = [*self.images, *(a for a in self.labels if a is not None)]
        counts = {len(array) if array.ndim else 0 for array in given}
        if len(counts) != 1 or counts == {0}:
            got = ", ".join(str(array.shape) for array in given)
            raise DataError(
                "Dataset: all inputs and labels must have one length of at least 1; "
                f"got shapes {got}."
            )

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.images[0])

    def subset(self, indices: npt.ArrayLike) -> Self:
        """Return copies of the examples at some positions, in that order."""
        chosen = np.asarray(indices)
        return type(self)(
            tuple(array[chosen] for array in self.images),
            tuple(None if array is None else array[chosen] for array in self.labels),
        )

    def split_positions(
        self, fraction: float, *, seed: int = 0
    ) -> tuple[Indices, Indices]:
        """Return where the examples of the two sides of a random split stand.

        Each class in proportion, where the first labels are classes.

        Raises
        ------
        DataError
            If fraction is outside (0, 1), or one side would be empty.
        """
        if not 0 < fraction < 1:
            raise DataError(
                f"Dataset: fraction must lie between 0 and 1; got fraction={fraction}."
            )
        first = next(array for array in self.labels if array is not None)
        part = _stratified(first, fraction, seed)
        if part.all() or not part.any():
            raise DataError(
                "Dataset: both sides of a split must have an example; "
                f"got fraction={fraction} of {len(self)} examples."
            )
        return np.flatnonzero(~part), np.flatnonzero(part)


class SeveralBatches(Batches):
    """Batches whose images and labels are tuples, one for each input and output."""

    dataset: Any
    columns: Any  # of each output, or None

    def _check_preprocessing(self) -> None:
        """Leave it to the model, which looks at each input."""

    def _prepare(self, number: int, start: int) -> Generator[Batch, None, None]:
        order, draws = self.order(number), None
        if self.augment is not None:
            epoch = self.first_epoch + number
            draws = self.augment.draw_epoch(self.seed, epoch, len(self.dataset))
        mixes = self._draw_mixes(number, start)
        for step in range(start, len(self)):
            indices = self._indices(order, step, whole=bool(mixes))
            given: list[Any]
            targets: list[Any]
            given, targets = (
                [None if array is None else array[indices] for array in arrays]
                for arrays in (self.dataset.images, self.dataset.labels)
            )
            if self.augment is not None and draws is not None:
                _augment(self.augment, given, targets, draws[indices])
            images = tuple(map(self._floats, given))
            labels = tuple(None if y is None else self._cast(y) for y in targets)
            if mixes:
                images, labels = self._mix_all(images, labels, mixes.pop(0))
                indices = indices[self._part(len(indices))]
            yield Batch(
                images if len(images) > 1 else images[0],  # type: ignore[arg-type]
                labels if len(labels) > 1 else labels[0],  # type: ignore[arg-type]
                indices,
            )

    def _mix_all(
        self, images: tuple[Array, ...], labels: tuple[Any, ...], mix: Mix
    ) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
        """Mix all of a whole batch alike, and keep this process's part."""
        part, mixed, share = self._part(len(images[0])), list[Array](), mix.share
        for one in images:
            array, share = mix_input(one, mix)
            mixed.append(array[part])
        columns = self.columns or (None,) * len(labels)
        pairs = zip(labels, columns, strict=True)
        soft = (None if y is None else soft_labels(y, n, self.dtype) for y, n in pairs)
        blended = (None if y is None else blend(y, share)[part] for y in soft)
        return tuple(mixed), tuple(blended)

    def _cast(self, labels: Array) -> Array:
        is_float = labels.dtype.kind == "f"
        return labels.astype(self.dtype, copy=False) if is_float else labels


def _augment(
    augment: Augment, images: list[Any], labels: list[Any], draws: Draws
) -> None:
    """Change all images of an example alike, and move labels of pixels with them."""
    size = (0, 0)
    for i, one in enumerate(images):
        if one.ndim == _IMAGES:
            _, height, width, _ = one.shape
            images[i], size = augment.transform(one, draws), (height, width)
    for i, one in enumerate(labels):
        if augment.moves and one is not None and one.ndim > 2:
            labels[i] = augment.transform_masks(one, draws, size)


def check_several_augment(augment: Augment, dataset: SeveralDataset) -> None:
    """Refuse what cannot be done to examples of several inputs or outputs.

    Raises
    ------
    DataError
        If there is no image, images of several sizes would move or be cut alike,
        nothing of one stays in view, or labels of pixels or what is no image would be
        mixed.
    """
    for labels in dataset.labels if augment.mixes else ():
        if labels is not None:
            check_mixable(labels)
    others = [array.shape for array in dataset.images if array.ndim != _IMAGES]
    if augment.cutmix and others:
        raise DataError(
            "Augment: cutmix must be left out where an input is no image; got one of "
            f"shape {others[0]}. mixup blends every input."
        )
    images = [array for array in dataset.images if array.ndim == _IMAGES]
    sizes = sorted({array.shape[1:3] for array in images})
    has_one_size = augment.moves or augment.cutmix
    if not images or (has_one_size and len(sizes) > 1):
        got = ", ".join(f"{height} × {width}" for height, width in sizes) or "no image"
        raise DataError(
            "Augment: images must be of one size to change alike, and at least one "
            f"input must be images; got {got}."
        )
    for array in images:
        check_augment_of(augment, array.shape[1:])
