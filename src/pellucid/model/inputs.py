"""Checks of the images, labels and datasets handed to a model."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pellucid.data import Dataset
from pellucid.data.elements import check_element_type
from pellucid.errors import DataError, ShapeError
from pellucid.network import Network, Preprocessing
from pellucid.objectives import Loss, reshape_labels

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Examples(NamedTuple):
    """Checked images, labels and weights of one step."""

    images: Array
    labels: Array
    sample_weight: Array | None


def prepare_images(
    images: npt.ArrayLike, network: Network, how: Preprocessing, dtype: str
) -> Array:
    """Return images as the network's floats: the one rule of `pellucid.data.elements`.

    Raises
    ------
    DataError, ShapeError
        If type or shape do not fit.
    """
    return prepare_array(images, network.input_shape, how, dtype)


def prepare_array(
    images: npt.ArrayLike,
    shape: Shape,
    how: Preprocessing,
    dtype: str,
    *,
    who: str = "Model",
) -> Array:
    """Return one input's array as the network's floats.

    Raises
    ------
    DataError, ShapeError
        If type or shape do not fit; ``who`` begins the sentence.
    """
    x = check_element_type(np.asarray(images), who)
    if x.shape[1:] != shape or x.ndim == 0:
        raise shape_error(who, x.shape, shape)
    if x.dtype == np.uint8:
        return how.apply(x, dtype)
    return x if x.dtype == dtype else x.astype(dtype)


def shape_error(who: str, shape: Shape, expected: Shape) -> ShapeError:
    """Return the error for images of another shape, with advice."""
    axes = ", ".join(map(str, expected))
    return ShapeError(
        f"{who}: images must have shape (N, {axes}); got shape={shape}."
        f"{_advice(shape, expected)}"
    )


def _advice(shape: Shape, expected: Shape) -> str:
    if shape == expected:
        return " Give a batch: images[None]."
    if shape[1:] == expected[:-1] and expected[-1] == 1:
        return " Add the channel axis: images[..., None]."
    if len(expected) == 3 and shape[1:] == (expected[2], *expected[:2]):
        return " Put channels last: images.transpose(0, 2, 3, 1)."
    return ""


def check_examples(
    images: Array, labels: npt.ArrayLike, sample_weight: Any, loss: Loss, shape: Shape
) -> Examples:
    """Check the labels and weights of one step; ``shape`` is the output's, without N.

    Raises
    ------
    DataError
        If there is no image, or labels or weights do not fit.
    """
    n = len(images)
    if n == 0:
        raise DataError("Model: a step must have at least one image; got 0.")
    y = reshape_labels(loss, np.asarray(labels), (n, *shape))
    if sample_weight is None:
        return Examples(images, y, None)
    weight = np.asarray(sample_weight, images.dtype)
    if weight.shape != (n,) or not (weight >= 0).all() or not weight.any():
        raise DataError(
            f"Model: sample_weight must be {n} numbers of at least 0, not all 0; "
            f"got shape={weight.shape}."
        )
    return Examples(images, y, weight)


def check_dataset(
    dataset: Dataset, who: str, network: Network, loss: Loss | None
) -> Dataset:
    """Check that a dataset fits the network and the loss, and return it.

    Labels of classes may have a last axis of size 1, which the one returned has not.
    """
    if dataset.image_shape != network.input_shape:
        shape = (len(dataset), *dataset.image_shape)
        raise shape_error(who, shape, network.input_shape)
    if loss is None:
        return dataset
    shape = (len(dataset), *network.output_shape)
    labels = reshape_labels(loss, dataset.labels, shape)
    if labels.shape == dataset.labels.shape:
        return dataset
    return dataclasses.replace(dataset, labels=labels)
