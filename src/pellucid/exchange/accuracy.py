"""Accuracy of an exported file on a test split, beside the model's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange import formats
from pellucid.exchange.preprocess import preprocess_images
from pellucid.exchange.verify_export import run
from pellucid.model import Model

Array = npt.NDArray[Any]
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Shares of right answers, of the model and of the file it was written to.

    Parameters
    ----------
    images : int
        How many were predicted.
    before, after : float
        Share of correct predictions, from 0 to 1.
    """

    images: int
    before: float
    after: float


def accuracy(
    model: Model, path: str | Path, images: Array, labels: Array, *, format: str = ""
) -> Accuracy:
    """Compare a file's accuracy, in its own runtime, with the model's.

    Parameters
    ----------
    model : Model
        What was written.
    path : path
        Where it was written.
    images : array, shape (N, *input shape)
        As `Model.predict` takes them; one at least.
    labels : array, shape (N, …)
        What they show, in a form that `Model.evaluate` takes.
    format : str
        The format's name; by the path's ending if left out.

    Returns
    -------
    Accuracy
        Both shares of correct predictions.

    Raises
    ------
    ExchangeError
        If the output means neither classes nor labels, or the format's runtime is
        not there.
    """
    where = Path(path)
    entry = formats.select(where, format)
    x, meaning = np.asarray(images), model.meaning_for(labels)
    if meaning.kind == "regression" or len(x) != len(labels):
        raise ExchangeError(
            "export: accuracy must be that of classes or labels, one for each image; "
            f"got {meaning.describe()}, {len(labels)} labels for {len(x)} images."
        )
    x = preprocess_images(model, x)
    batches = [x[i : i + _BATCH] for i in range(0, len(x), _BATCH)]
    before = np.concatenate([model.predict(batch) for batch in batches])
    after = run(where, entry.name, model.network, x.astype(np.float32)).outputs
    shares = [float(np.mean(meaning.correct(y, labels))) for y in (before, after)]
    return Accuracy(images=len(x), before=shares[0], after=shares[1])
