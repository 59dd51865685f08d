"""Data that comes in batches of its own: loaders of PyTorch, TensorFlow and Keras.

No framework is imported: what a source is, its class tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data.dataset import Dataset
from pellucid.data.randomness import ORDER, generator
from pellucid.errors import DataError

Array = npt.NDArray[Any]


#: what tf.data calls the number of elements of a dataset without an end
_ENDLESS = -1


class RawBatch(NamedTuple):
    """A batch as a source gave it, images with the channels last."""

    images: Array
    labels: Array | None
    sample_weight: Array | None


def is_stream(data: Any) -> bool:
    """Return whether data gives batches (or examples) itself, one after the other.

    A list is one if its elements are tuples; tuples and arrays are whole datasets.
    """
    if isinstance(data, Dataset | np.ndarray | tuple | dict | str | bytes):
        return False
    if isinstance(data, list):
        return bool(data) and all(isinstance(batch, tuple) for batch in data)
    if hasattr(data, "__array__") or hasattr(data, "dtype"):
        return False
    return hasattr(data, "__iter__") or _is_indexed(data)


def is_frame(data: object) -> bool:
    """Return whether something is a data frame of pandas."""
    kind = type(data)
    return kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas"


def has_numbers(frame: Any) -> bool:
    """Return whether a data frame has numbers alone: rows, not paths of pictures."""
    return all(dtype.kind in "fiub" for dtype in frame.dtypes)


def is_array_like(data: Any) -> bool:
    """Return whether a list of tuples holds numbers, rather than batches of arrays."""
    return isinstance(data, list) and not all(
        isinstance(batch, tuple) and batch and hasattr(batch[0], "shape")
        for batch in data
    )


def _names(data: Any) -> set[str]:
    return {f"{kind.__module__}.{kind.__name__}" for kind in type(data).__mro__}


def _is_indexed(data: Any) -> bool:
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


class Stream:
    """A source of batches, epoch after epoch.

    A map-style Dataset of PyTorch is cut into batches here, in the order of (seed,
    epoch). Everything else comes in its own batches and its own order.

    Parameters
    ----------
    source : iterable
        Gives (images, labels) or (images, labels, weights); or images alone, for a
        prediction.
    batch_size, seed, shuffle
        For a map-style Dataset.
    steps : int, optional
        Batches of an epoch; the next one goes on where this one ended, and the source
        is begun anew at its end. If left out, an epoch is what the source gives once.

    Attributes
    ----------
    is_once : bool
        Whether the source is an iterator, which does not begin anew.
    """

    def __init__(
        self,
        source: Any,
        *,
        batch_size: int = 64,
        seed: int = 0,
        shuffle: bool = False,
        steps: int | None = None,
    ) -> None:
        self._source, self._names = source, _names(source)
        self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
        self._is_map = (
            "torch.utils.data.dataset.Dataset" in self._names
            and "torch.utils.data.dataset.IterableDataset" not in self._names
        )
        self._is_keras = any(name.endswith(".PyDataset") for name in self._names)
        self._is_spent = False
        self._steps, self._passes = steps, 0
        self._rest: Iterator[RawBatch] = iter(())
        self.is_once = hasattr(source, "__next__")

    @property
    def has_steps(self) -> bool:
        """Whether epochs are so many batches, wherever the source ends."""
        return self._steps is not None

    @property
    def kind(self) -> str:
        """The name of the source's class."""
        return type(self._source).__name__

    @property
    def count(self) -> int | None:
        """The number of batches of an epoch; None where the source does not tell."""
        if self._steps is not None:
            return self._steps
        if self._is_map:
            return -(-len(self._source) // self._batch_size)
        cardinality = self._cardinality()
        if cardinality is not None:
            return cardinality if cardinality >= 0 else None
        try:
            return len(self._source)
        except TypeError:
            return None

    @property
    def is_endless(self) -> bool:
        """Whether the source says that it has no end, as a repeated tf.data.Dataset."""
        return self._cardinality() == _ENDLESS

    def _cardinality(self) -> int | None:
        """What a tf.data.Dataset says of its length; None of other sources."""
        tell = getattr(self._source, "cardinality", None)
        return None if tell is None else int(tell())

    def epoch(self, number: int, start: int = 0) -> Iterator[RawBatch]:
        """Give the batches of an epoch, from batch ``start`` on."""
        if self._steps is None:
            yield from self._pass(number, start)
            return
        if self._is_map:
            yield from self._steps_of_map(
                number * self._steps + start, self._steps - start
            )
            return
        for given in range(start, self._steps):
            batch = next(self._rest, None)
            if batch is None and not (self.is_once and self._passes):
                self._rest = self._pass(self._passes, 0)
                self._passes += 1
                batch = next(self._rest, None)
            if batch is None:
                raise DataError(
                    f"fit: data must give {self._steps} batches for each epoch; got "
                    f"{given} for epoch {number + 1}, then the {self.kind} came to its "
                    "end. Take fewer steps_per_epoch or epochs."
                )
            yield batch

    def _pass(self, number: int, start: int) -> Iterator[RawBatch]:
        """Go through the source once."""
        if self._is_map:
            yield from self._of_map(number, start)
            return
        if self._is_keras:
            for i in range(start, len(self._source)):
                yield _batch(self._source[i])
            self._end_of_epoch()
            return
        read = getattr(self._source, "as_numpy_iterator", None)
        batches = read() if read is not None else iter(self._source)
        if batches is self._source:
            if self._is_spent:
                raise DataError(
                    "fit: data must be iterable once for each epoch; got a "
                    f"{type(batches).__name__} that has come to its end. Give an "
                    "object whose __iter__ begins anew."
                )
            self._is_spent = True
        for batch in islice(batches, start, None):
            yield _batch(batch)

    def _end_of_epoch(self) -> None:
        notify = getattr(self._source, "on_epoch_end", None)
        if notify is not None:
            notify()

    def _steps_of_map(self, first: int, count: int) -> Iterator[RawBatch]:
        """Give so many batches of all passes in a row, from a number on."""
        length = -(-len(self._source) // self._batch_size)
        while count and length:
            number, start = divmod(first, length)
            yield from islice(self._of_map(number, start), count)
            done = min(count, length - start)
            first, count = first + done, count - done

    def _of_map(self, number: int, start: int) -> Iterator[RawBatch]:
        order = np.arange(len(self._source))
        if self._shuffle:
            order = generator(self._seed, number, ORDER).permutation(len(order))
        for begin in range(start * self._batch_size, len(order), self._batch_size):
            chosen = order[begin : begin + self._batch_size]
            examples = [_batch(self._source[int(i)], is_one=True) for i in chosen]
            columns = zip(*examples, strict=True)
            images, labels, weights = (
                None if column[0] is None else np.stack(column) for column in columns
            )
            if images is not None:
                yield RawBatch(images, labels, weights)


def _batch(given: Any, *, is_one: bool = False) -> RawBatch:
    """Return what a source gave as arrays."""
    if not isinstance(given, tuple | list):
        return RawBatch(_image(given, is_one=is_one), None, None)
    if not 1 <= len(given) <= 3 or isinstance(given[0], tuple | list | dict):
        raise DataError(
            "fit: a batch must be (images, labels) or (images, labels, weights); got "
            f"{len(given)} elements, the first a {type(given[0]).__name__}."
        )
    rest = [None if value is None else _array(value) for value in given[1:]]
    images = _image(given[0], is_one=is_one)
    labels, weights = (*rest, None, None)[:2]
    return RawBatch(images, labels, weights)


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    found = value.numpy() if hasattr(value, "numpy") else np.asarray(value)
    return np.asarray(found)


def _image(value: Any, *, is_one: bool) -> Array:
    """Return images with the channels last; tensors of PyTorch have them first."""
    array = _array(value)
    is_first = "torch.Tensor" in _names(value) and array.ndim == 4 - is_one
    return np.moveaxis(array, -3, -1) if is_first else array
