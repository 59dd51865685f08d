"""Sampling with replacement: how often each example is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

#: "balanced", {output: "balanced"} of several outputs, or what each example weighs
Sampler: TypeAlias = str | Mapping[str, str] | Sequence[float]
Array: TypeAlias = npt.NDArray[Any]


def sampling_weights(sampler: Any, labels: Array) -> Array | None:
    """Return the chance of each example to be drawn, shape (N,); None for each once.

    Parameters
    ----------
    sampler : "balanced", sequence of float, or None
        Each class as often as the others, or each example as its weight says.
    labels : ndarray, shape (N,) of int, or (N, K) of one-hot rows
        What the balance is taken of.

    Returns
    -------
    ndarray of float64, shape (N,), or None
        They add up to 1.

    Raises
    ------
    DataError
        If weights are not N finite numbers of at least 0, or labels are no classes.
    """
    if sampler is None:
        return None
    if isinstance(sampler, str):
        if sampler != "balanced":
            raise DataError(
                "fit: sampler must be 'balanced', or a number for each example; "
                f"got {sampler!r}."
            )
        return _balanced(labels)
    weights = np.asarray(sampler)
    is_number = weights.dtype.kind in "fiu"
    if not is_number or weights.shape != (len(labels),):
        raise DataError(
            f"fit: sampler must be 'balanced', or {len(labels)} numbers, one for each "
            f"training example; got shape={weights.shape}."
        )
    weights = weights.astype(np.float64)
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise DataError(
            "fit: sampler must hold finite numbers of at least 0, one of them above 0; "
            f"got numbers from {weights.min()} to {weights.max()}."
        )
    return np.asarray(weights / weights.sum())


def several_sampling_weights(sampler: Any, labels: Mapping[str, Array]) -> Array | None:
    """Return the chance of each example of a network of several outputs to be drawn.

    Parameters
    ----------
    sampler : "balanced", {output: "balanced"}, sequence of float, or None
        As in `sampling_weights`; the output whose classes are balanced has to be
        named where several have labels.
    labels : dict of str to ndarray
        Those of each output that has some.

    Returns
    -------
    ndarray of float64, shape (N,), or None
        They add up to 1.

    Raises
    ------
    DataError
        If it names no output, or not one, or does not fit.
    """
    output = next(iter(labels))
    if isinstance(sampler, Mapping):
        if len(sampler) != 1 or not set(sampler) <= set(labels):
            raise DataError(
                "fit: sampler must name one output with labels, which are "
                f"{', '.join(labels)}; got {dict(sampler)!r}."
            )
        ((output, sampler),) = sampler.items()
        if not isinstance(sampler, str):
            raise DataError(
                f"fit: sampler of '{output}' must be 'balanced'; got {sampler!r}. "
                "Numbers are given for each example, not by output."
            )
    elif isinstance(sampler, str) and len(labels) > 1:
        raise DataError(
            "fit: sampler must name the output whose classes are balanced, as "
            f"{{'{output}': 'balanced'}} or --sampler {output}=balanced; got "
            f"{sampler!r}."
        )
    return sampling_weights(sampler, labels[output])


def _balanced(labels: Array) -> Array:
    is_one_hot = labels.ndim == 2 and labels.shape[1] > 1
    classes = labels.argmax(axis=1) if is_one_hot else labels.reshape(len(labels), -1)
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.ndim != 1 or not np.equal(np.mod(classes, 1), 0).all():
        raise DataError(
            "fit: sampler='balanced' must have one class for each example; got labels "
            f"of shape {labels.shape}."
        )
    _, which, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return np.asarray(1 / counts[which] / len(counts))
