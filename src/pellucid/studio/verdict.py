"""What the page says of one output: a bar for each class, label or value."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.model import Model
from pellucid.model.ports import output_meaning_of
from pellucid.serving.http import not_finite

Array = npt.NDArray[Any]


def names_of(model: Model, of_output: str | None = None) -> list[str]:
    """Return a name for each class or label, or for each value of a regression."""
    meaning = output_meaning_of(model, of_output or model.network.outputs[0])
    names = meaning.class_names(model.classes)
    return list(names or meaning.column_names(model.classes))


def verdict(
    model: Model, output: Array, of_output: str | None = None
) -> dict[str, Any]:
    """Return what an output says, as the page shows it.

    Parameters
    ----------
    output : ndarray, shape (1, …, columns)
    of_output : str, optional
        Its name, where there are several.

    Returns
    -------
    dict
        ``says``: in words. ``best``: the most probable class, or None of a
        regression. ``probabilities`` of classes and labels, shares of the pixels where
        there is an answer for each; or ``values`` of a regression.

    Raises
    ------
    RequestError
        422 if the output is not finite, as after a training that diverged.
    """
    if not np.isfinite(output).all():
        raise not_finite()
    meaning = output_meaning_of(model, of_output or model.network.outputs[0])
    names = names_of(model, of_output)
    if meaning.kind == "regression":
        values = _floats(output)
        said = [
            f"{name}: {value:.5g}" for name, value in zip(names, values, strict=False)
        ]
        says = f"{values[0]:.5g}" if len(values) == 1 else ", ".join(said[:3])
        if len(values) != len(names):
            says = f"{len(values)} values"
        return {"says": says, "best": None, "values": values[:1000]}
    given = meaning.predict(output)[0]
    shares = meaning.probabilities(output)[0]
    if meaning.is_per_pixel:
        shares = _pixel_shares(given, meaning.class_count)
    best = int(shares.argmax())
    says = names[best]
    if meaning.kind == "labels" and not meaning.is_per_pixel:
        says = ", ".join(names[i] for i in np.flatnonzero(given)) or "none of them"
    probabilities = _floats(shares)
    return {
        "says": says,
        "best": best,
        "probabilities": probabilities,
        "is_of_pixels": meaning.is_per_pixel,
    }


def _pixel_shares(given: Array, count: int) -> Array:
    """Return the share of pixels that each class or label has."""
    if given.dtype == np.bool_:
        return np.asarray(given.reshape(-1, count).mean(axis=0))
    shares: Array = np.bincount(given.ravel(), minlength=count) / given.size
    return shares


def _floats(values: Array) -> list[float]:
    return [float(value) for value in values.ravel()]
