"""Batches of an epoch, in an order that only the seed decides."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.data.augment import Augment
from pellucid.data.dataset import Dataset
from pellucid.data.mixing import Mix, draw_mixes, mix_batch, soft_labels
from pellucid.data.picture_files import PictureFiles
from pellucid.data.prefetch import prefetch
from pellucid.data.randomness import MIXING, ORDER, generator
from pellucid.errors import DataError
from pellucid.network.preprocessing import Preprocessing

_DTYPES: Final = ("float32", "float64")
_BLOCK: Final = 256  # images made together, where batches are smaller
Indices: TypeAlias = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """The examples of one update.

    Parameters
    ----------
    images : ndarray of float, shape (n, …)
        As the network takes them.
    labels : ndarray of int64, shape (n,), or of float, shape (n, …)
        One per image.
    indices : ndarray of int64, shape (n,)
        Positions in the dataset.
    sample_weight : ndarray of float, shape (n,), optional
        What each example counts, where the data says so itself.
    """

    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    indices: npt.NDArray[np.int64]
    sample_weight: npt.NDArray[Any] | None = None


class Batches:
    """Cut a dataset into batches, epoch after epoch.

    Parameters
    ----------
    dataset : Dataset
        Images and labels.
    batch_size : int
        Examples of one update, over all processes; the last batch of an epoch may
        have fewer.
    seed : int
        Decides order and augmentation, in 0 … 2⁶⁴ − 1.
    shuffle : bool
        Whether each epoch has an order of its own; else that of the dataset.
    augment : Augment, optional
        Random changes. Those of an image depend on the seed, the epoch and its
        position in the dataset, so not on the size of batches or on shards; only what
        mixes examples depends on the batch. Labels of each pixel move with the images.
    preprocessing : Preprocessing, optional
        Turns uint8 into floats; scales to [0, 1] unless given. Float images are only
        cast.
    dtype : {"float32", "float64"}
        Of images, and of labels that are floats.
    ahead : int
        Batches that a background thread has ready; 0 does without the thread.
    first_epoch : int
        What is added to the number of an epoch: how many there were before.
    weights : ndarray of float64, shape (N,), optional
        Chances that add up to 1: an epoch draws N examples with replacement.
    columns : int, optional
        Classes of integer labels that `Augment` mixes; None where they are numbers.
    shard : (int, int)
        (rank, world): every one of world processes gets its own contiguous part of
        each batch, which may be empty in a last batch of fewer than world examples.

    Raises
    ------
    DataError
        If a number is out of its range.

    Examples
    --------
    >>> data = Dataset(np.zeros((10, 4, 4, 1), np.uint8), np.arange(10))
    >>> batches = Batches(data, batch_size=4, seed=0)
    >>> len(batches), [len(batch.labels) for batch in batches.epoch(0)]
    (3, [4, 4, 2])
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        augment: Augment | None = None,
        preprocessing: Preprocessing | None = None,
        dtype: str = "float32",
        ahead: int = 4,
        first_epoch: int = 0,
        weights: npt.NDArray[np.float64] | None = None,
        columns: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        _at_least(1, batch_size=batch_size)
        _at_least(0, ahead=ahead, first_epoch=first_epoch)
        rank, world = shard
        if not 0 <= rank < world:
            raise DataError(
                "Batches: shard must be (rank, world) with rank in 0 … world - 1; "
                f"got shard={shard}."
            )
        if np.dtype(dtype).name not in _DTYPES:
            raise DataError(
                f"Batches: dtype must be 'float32' or 'float64'; got dtype={dtype!r}."
            )
        generator(seed, 0, ORDER)
        self.dataset = dataset
        self.batch_size = int(batch_size)
        self.seed = int(seed)
        self.shuffle = shuffle
        self.weights = weights
        self.columns = columns
        self.augment = augment
        self.preprocessing = preprocessing or Preprocessing()
        self._check_preprocessing()
        self.dtype = np.dtype(dtype)
        self.ahead = ahead
        self.first_epoch = int(first_epoch)
        self.shard = (int(rank), int(world))

    def _check_preprocessing(self) -> None:
        """Refuse pixels of which nothing is known, and a scale for other channels."""
        if self.dataset.images.dtype == np.uint8:
            self.preprocessing.check(self.dataset.images)
        channels = self.dataset.image_shape[-1]
        count = len(self.preprocessing.scale)
        if self.dataset.images.dtype == np.uint8 and count not in (1, channels):
            raise DataError(
                "Batches: preprocessing must have one scale, or one per channel; "
                f"got {count} for {channels} channels."
            )

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.dataset) // self.batch_size)

    @property
    def count(self) -> int:
        """The number of batches in an epoch; see `Stream.count`."""
        return len(self)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """Go through the dataset once.

        Parameters
        ----------
        number : int
            Of the epoch; each has its own order and augmentation.
        start : int
            Batches to leave out at the beginning; those that follow are the same.

        Returns
        -------
        iterator of Batch
            Close it, or drop it, to end its thread early.

        Raises
        ------
        DataError
            If number is negative or start lies outside 0 … len(self). While
            iterating: if a picture file is damaged.
        """
        generator(self.seed, number, ORDER)
        if not 0 <= start <= len(self):
            raise DataError(
                f"Batches: start must lie in 0 … {len(self)}; got start={start}."
            )
        return prefetch(self._prepare(number, start), self.ahead)

    def place(self, step: int) -> tuple[int, int]:
        """Return where this process's part of a batch begins, and the batch's size.

        Parameters
        ----------
        step : int
            Number of the batch in its epoch, from 0.

        Returns
        -------
        tuple of int
            First example within the batch, and examples in the whole batch.
        """
        count = min(self.batch_size, len(self.dataset) - step * self.batch_size)
        rank, world = self.shard
        return count * rank // world, count

    def order(self, number: int) -> npt.NDArray[np.int64]:
        """Return the positions of an epoch's examples, shape (N,), in their order.

        Parameters
        ----------
        number : int
            The epoch, from 0.

        Returns
        -------
        ndarray of int64, shape (N,)
            A permutation, or what is drawn by the weights; it depends on the seed and
            the epoch only.
        """
        if self.weights is not None:
            rng = generator(self.seed, self.first_epoch + number, ORDER)
            count = len(self.dataset)
            return rng.choice(count, count, p=self.weights).astype(np.int64)
        if not self.shuffle:
            return np.arange(len(self.dataset), dtype=np.int64)
        rng = generator(self.seed, self.first_epoch + number, ORDER)
        return rng.permutation(len(self.dataset))

    def _prepare(self, number: int, start: int) -> Generator[Batch, None, None]:
        """Make the batches one after the other."""
        order = self.order(number)
        steps = range(start, len(self))
        mixes = self._draw_mixes(number, start)
        draws = None
        if self.augment is not None:
            epoch = self.first_epoch + number
            draws = self.augment.draw_epoch(self.seed, epoch, len(self.dataset))
        # what is mixed takes the whole batch, of which a process keeps its part
        chosen = [self._indices(order, step, whole=bool(mixes)) for step in steps]
        blocks = self._blocks(chosen)
        raw = self._raw([np.concatenate(block) for block in blocks])
        try:
            for block, images in zip(blocks, raw, strict=True):
                for batch in self._cut(block, images, draws):
                    yield self._mix(batch, mixes.pop(0)) if mixes else batch
        finally:
            raw.close()

    def _draw_mixes(self, number: int, start: int) -> list[Mix]:
        """Return how each batch of an epoch is mixed; nothing where none is."""
        if self.augment is None or not self.augment.mixes:
            return []
        rng = generator(self.seed, self.first_epoch + number, MIXING)
        given = {"mixup": self.augment.mixup, "cutmix": self.augment.cutmix}
        return draw_mixes(rng, len(self), **given)[start:]

    def _blocks(self, chosen: list[Indices]) -> list[list[Indices]]:
        """Group batches that are made together: NumPy's calls cost what few images do.

        Pictures in files are read one batch at a time, so that the first is there soon.
        """
        is_in_memory = not isinstance(self.dataset.images, PictureFiles)
        each = max(1, _BLOCK // self.batch_size) if is_in_memory else 1
        return [chosen[i : i + each] for i in range(0, len(chosen), each)]

    def _cut(
        self,
        block: list[Indices],
        images: npt.NDArray[Any],
        draws: npt.NDArray[np.float64] | None,
    ) -> Generator[Batch, None, None]:
        """Make the images of a block floats, and cut it into its batches."""
        indices = np.concatenate(block)
        labels, begin = self._labels(indices), 0
        if self.augment is not None and draws is not None:
            mine, size = draws[indices], images.shape[1:3]
            images = self.augment.transform(images, mine)
            if labels.ndim > 2 and self.augment.moves:
                labels = self.augment.transform_masks(labels, mine, size)
        floats = self._floats(images)
        for part in block:
            end = begin + len(part)
            yield Batch(floats[begin:end], labels[begin:end], part)
            begin = end

    def _indices(self, order: Indices, step: int, *, whole: bool) -> Indices:
        """Return this process's part of one batch, or the whole of it."""
        batch = order[step * self.batch_size : (step + 1) * self.batch_size]
        return batch if whole else batch[self._part(len(batch))]

    def _part(self, count: int) -> slice:
        rank, world = self.shard
        return slice(count * rank // world, count * (rank + 1) // world)

    def _mix(self, batch: Batch, mix: Mix) -> Batch:
        """Mix a whole batch, and return this process's part of it."""
        labels = soft_labels(batch.labels, self.columns, self.dtype)
        images, labels = mix_batch(batch.images, labels, mix)
        part = self._part(len(batch.indices))
        return Batch(images[part], labels[part], batch.indices[part])

    def _raw(self, chosen: list[Indices]) -> Generator[npt.NDArray[Any], None, None]:
        """Yield the images of each batch as they are stored."""
        images = self.dataset.images
        if isinstance(images, PictureFiles):
            yield from images.stream(chosen)
            return
        for indices in chosen:
            yield images.take(indices, axis=0, mode="clip")

    def _floats(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Do what `Preprocessing.apply` does, with one pass less over memory."""
        if images.dtype != np.uint8:
            return images.astype(self.dtype, copy=False)
        images = self.preprocessing.order(self.preprocessing.check(images))
        scale = np.asarray(self.preprocessing.scale, self.dtype)
        out: npt.NDArray[Any] = np.multiply(images, scale, dtype=self.dtype)
        if any(self.preprocessing.offset):
            out += np.asarray(self.preprocessing.offset, self.dtype)
        return out

    def _labels(self, indices: Indices) -> npt.NDArray[Any]:
        """Return the labels of a batch."""
        labels = self.dataset.labels.take(indices, axis=0)
        if labels.dtype.kind == "f":
            return labels.astype(self.dtype, copy=False)
        return labels.astype(np.int64, copy=False)  # masks are kept as uint8


def _at_least(least: int, **values: int) -> None:
    """Refuse a value that is too small or not a whole number."""
    for name, value in values.items():
        if not isinstance(value, (int, np.integer)) or value < least:
            raise DataError(
                f"Batches: {name} must be a whole number of at least {least}; "
                f"got {name}={value!r}."
            )
