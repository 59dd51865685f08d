"""This file is what a written file loses: its answers on a test split, counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError
from pellucid.exchange import formats
from pellucid.exchange.pixels import floats
from pellucid.exchange.proof import run
from pellucid.model import Model

Array = npt.NDArray[Any]
_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """Shares of right answers, of the model and of the file it was written to."""

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
    labels : array of int, shape (N,)
        What they show.
    format : str
        The format's name; by the path's ending if left out.

    Raises
    ------
    ExchangeError
        If the network has not one output a class, or the format's runtime is not
        there.
    """
    where = Path(path)
    entry = formats.chosen(where, format)
    x, truth = np.asarray(images), np.asarray(labels)
    if len(model.network.output_shape) != 1 or truth.shape != (len(x),):
        raise ExchangeError(
            "export: accuracy must be that of one output a class and one label an "
            f"image; got output shape {model.network.output_shape}, labels of shape "
            f"{truth.shape}."
        )
    x = floats(model, x)
    batches = [x[i : i + _BATCH] for i in range(0, len(x), _BATCH)]
    before = np.concatenate([model.predict(batch) for batch in batches])
    after = run(where, entry.name, model.network, x.astype(np.float32)).outputs
    return Accuracy(
        images=len(x), before=_share(before, truth), after=_share(after, truth)
    )


def _share(outputs: Array, truth: Array) -> float:
    return float(np.mean(outputs.argmax(1) == truth))
