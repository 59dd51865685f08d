"""Hand images to a runtime as its file takes them: layout of axes, batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pellucid.exchange.packing import pack, unpack
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    channels_first,
    channels_last,
)
from pellucid.network import Network

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
    if takes and len(takes) == len(own):  # a file of one example
        predict, takes = _each_alone(predict), (None, *takes)
    is_first = is_channels_first(takes, own, usual=usual)
    batch = fixed_size(takes[0]) if takes else None

    def run(images: Array) -> Array:
        given = _channels_first(images) if is_first else images
        made = in_batches(
            lambda part: batch_first(np.asarray(predict(part)), len(part), gives),
            given,
            batch,
        )
        return restore_layout(made, gives, is_first=is_first)

    return run


def _each_alone(predict: Predict) -> Predict:
    """Return a function of a batch by one of an example without a batch axis."""
    return lambda images: np.stack([np.asarray(predict(image)) for image in images])


def adapt_several(
    predict: Callable[[list[Array]], list[Array]],
    takes: Sequence[Sizes],
    network: Network,
    *,
    usual: str = "first",
) -> Predict:
    """Return a function of all inputs, packed as one array, to all outputs.

    Parameters
    ----------
    predict : callable
        The runtime, of as many examples as the file fixes.
    takes : sequence
        Shapes of the file's inputs, in the network's order.
    network : Network
    usual : {"first", "last"}
        As `adapt` takes it.
    """
    own = [network.shapes[name] for name in network.inputs]
    gives = [network.shapes[name] for name in network.outputs]
    pairs = zip(takes, own, strict=True)
    firsts = [is_channels_first(sizes, shape, usual=usual) for sizes, shape in pairs]
    batch = fixed_size(takes[0][0]) if len(takes[0]) else None

    def run(packed: Array) -> Array:
        given = [
            np.ascontiguousarray(_channels_first(x) if is_first else x)
            for x, is_first in zip(unpack(packed, own), firsts, strict=True)
        ]
        parts = [
            [
                batch_first(np.asarray(y), len(part[0]), shape)
                for y, shape in zip(predict(part), gives, strict=True)
            ]
            for part in _split(given, batch)
        ]
        whole = [
            np.concatenate(pieces)[: len(packed)] for pieces in zip(*parts, strict=True)
        ]
        return pack(
            [
                restore_layout(y, shape, is_first=any(firsts))
                for y, shape in zip(whole, gives, strict=True)
            ]
        )

    return run


def _split(inputs: list[Array], size: int | None) -> Iterator[list[Array]]:
    """Yield batches of the size that a file fixes, the last one filled up."""
    count = len(inputs[0])
    for start in range(0, count, size or count):
        part = [x[start : start + (size or count)] for x in inputs]
        missing = (size or len(part[0])) - len(part[0])
        yield [np.concatenate([x, np.repeat(x[-1:], missing, axis=0)]) for x in part]


def fixed_size(size: Any) -> int | None:
    """Return a size that a file fixes; None for a free one."""
    is_fixed = isinstance(size, int | np.integer) and size > 0
    return int(size) if is_fixed else None


def is_channels_first(takes: Sizes, own: tuple[int, ...], *, usual: str) -> bool:
    """Return whether a file's images are (N, C, H, W), by the sizes that it fixes.

    Sequences are (N, C, L) only where their sizes cannot be (N, L, C).
    """
    if len(own) not in (2, 3) or len(takes) != len(own) + 1:
        return False
    first, last = (own[-1], *own[:-1]), own
    fits_first, fits_last = (_fits(takes[1:], sizes) for sizes in (first, last))
    if len(own) == 2:
        return fits_first and not fits_last
    return fits_first if fits_first != fits_last else usual == "first"


def _channels_first(array: Array) -> Array:
    """Return images as (N, C, H, W), sequences as (N, C, L)."""
    if array.ndim == 3:
        return np.ascontiguousarray(array.transpose(0, 2, 1))
    return channels_first(array)


def _fits(takes: Sizes, sizes: tuple[int, ...]) -> bool:
    return all(
        fixed_size(size) in (None, own) for size, own in zip(takes, sizes, strict=True)
    )


def in_batches(predict: Predict, images: Array, size: int | None) -> Array:
    """Predict in batches of the size that a file fixes, the last one filled up."""
    if size is None or len(images) == size:
        return np.asarray(predict(images))
    made = [predict(part) for (part,) in _split([images], size)]
    return np.concatenate(made)[: len(images)]


def batch_first(outputs: Array, count: int, gives: tuple[int, ...]) -> Array:
    """Put the batch in front where a file has it elsewhere: (T, N, C) of readers."""
    whole = (count, *gives)
    if outputs.shape == whole or outputs.ndim != len(whole):
        return outputs
    for axis in range(1, outputs.ndim):
        moved = np.moveaxis(outputs, axis, 0)
        if moved.shape == whole:
            return moved
    return outputs


def restore_layout(outputs: Array, gives: tuple[int, ...], *, is_first: bool) -> Array:
    """Return outputs in the network's layout, as far as their shape tells."""
    shape = outputs.shape[1:]
    turned = channels_last(outputs)
    if outputs.ndim == 4 and turned.shape[1:] == gives:
        return turned if shape != gives or is_first else outputs
    if outputs.ndim == 3 and shape != gives and shape[::-1] == gives:
        return outputs.transpose(0, 2, 1)  # sequences
    if shape != gives and _essence(shape) == _essence(gives):
        return outputs.reshape(len(outputs), *gives)  # axes of length 1
    return outputs


def _essence(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
