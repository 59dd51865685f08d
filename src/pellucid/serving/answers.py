"""Outputs as answers: classes with their probabilities, labels, or values.

What an output means says the model (`OutputMeaning`); here is only how the protocols
write it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.objectives import OutputMeaning
from pellucid.serving.errors import RequestError
from pellucid.serving.http import not_finite

Array = npt.NDArray[Any]


def predictions(
    meaning: OutputMeaning, names: tuple[str, ...], output: Array
) -> list[dict[str, Any]]:
    """Return what an output says of each image, as `/predict` answers.

    Parameters
    ----------
    meaning : OutputMeaning
        Classes: label, index and probabilities. Labels: those given, their indices,
        and each one's probability. A regression: values. Per pixel, indices (of
        classes) or whether it is given (of labels) stand in nested lists.
    names : tuple of str
        Of each class or label.
    output : ndarray, shape (N, …, columns)
    """
    if meaning.kind == "regression":
        return [{"values": row} for row in output]
    found, shares = meaning.predict(output), meaning.probabilities(output)
    pairs = zip(found, shares, strict=True)
    if meaning.is_per_pixel:
        key = "given" if meaning.kind == "labels" else "indices"
        return [{key: one, "probabilities": row} for one, row in pairs]
    if meaning.kind == "labels":
        return [
            {
                "labels": [names[i] for i in np.flatnonzero(one)],
                "indices": np.flatnonzero(one).tolist(),
                "probabilities": row,
            }
            for one, row in pairs
        ]
    return [
        {"label": names[index], "index": int(index), "probabilities": row}
        for index, row in pairs
    ]


def check_has_classes(who: str, meaning: OutputMeaning) -> None:
    """Refuse to name classes where there are none; RequestError."""
    if meaning.kind == "regression" or meaning.is_per_pixel:
        raise RequestError(
            f"{who}: the output must mean the classes or labels of an image; "
            f"got {meaning.describe()}. Ask for the output itself."
        )


def check_is_value(who: str, meaning: OutputMeaning, output_shape: Any) -> None:
    """Refuse to answer with one value where there is none; RequestError."""
    if meaning.kind != "regression" or tuple(output_shape) != (1,):
        raise RequestError(
            f"{who}: the output must be one value of a regression; "
            f"got {meaning.describe()}, of shape {list(output_shape)}."
        )


def format_classes(
    meaning: OutputMeaning, names: tuple[str, ...], output: Array, count: int
) -> list[list[str]]:
    """Return each image's best classes as "value:index:name", the best first.

    The value is the class's own column of the output; of two classes from a single
    column, its probability.

    Raises
    ------
    RequestError
        If there are no classes, or some for each pixel; if the output is not finite.
    """
    check_has_classes("infer", meaning)
    if not np.isfinite(output).all():
        raise not_finite()
    rows = meaning.probabilities(output) if meaning.kind == "binary" else output
    best = np.argsort(-rows, axis=1, kind="stable")[:, :count]
    return [
        [f"{row[i]:.6f}:{i}:{names[i]}" for i in order]
        for row, order in zip(rows, best.tolist(), strict=True)
    ]
