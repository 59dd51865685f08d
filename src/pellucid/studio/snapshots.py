"""Snapshots of a training: kernels, confusion matrices, the surest mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.explain import Assessment, assess, assess_outputs
from pellucid.model import Model
from pellucid.network.ports import has_several
from pellucid.studio.images import encode, levels, takes_pictures

_MISTAKES = 8

#: a share of right answers; of several outputs each one's; None where it is measured
#: of none
Accuracy = float | dict[str, float] | None


def accuracy_in(figures: Mapping[str, float], outputs: Sequence[str]) -> Accuracy:
    """Return the accuracy among a training's figures.

    Parameters
    ----------
    figures : mapping of str to float
        Of several outputs ``<output>_accuracy``.
    outputs : sequence of str
        The network's.
    """
    if len(outputs) == 1:
        return figures.get("accuracy")
    keys = {name: f"{name}_accuracy" for name in outputs}
    found = {name: figures[key] for name, key in keys.items() if key in figures}
    return found or None


def take_snapshot(model: Model, test: Any) -> dict[str, Any]:
    """Return what a model knows of its test examples, as the page shows it.

    Parameters
    ----------
    model : Model
    test : Dataset or SeveralDataset

    Returns
    -------
    dict
        ``metrics`` of all; classes, confusion matrix and mistakes of the output, or
        those of each under ``outputs``.
    """
    kernels = next((a for a in model.weights.values() if a.ndim == 4), None)
    found: dict[str, Any] = {
        "looked_at": len(test),
        "kernels": None if kernels is None else levels(np.asarray(kernels)),
    }
    if not has_several(model.network):
        return {**found, **_judged(model, test, assess(model, test))}
    all_of_them = assess_outputs(model, test)
    outputs = [
        {"name": name, **_judged(model, test, one)}
        for name, one in all_of_them.outputs.items()
    ]
    return {**found, "metrics": all_of_them.metrics, "outputs": outputs}


def _judged(model: Model, test: Any, found: Assessment) -> dict[str, Any]:
    """Return how good one output is."""
    return {
        "metrics": found.metrics,
        "classes": list(found.classes),
        "meaning": found.meaning.kind,
        "confusion": found.confusion.tolist() if found.confusion.ndim == 2 else [],
        "mistakes": _mistakes(model, test, found),
    }


def _mistakes(model: Model, test: Any, found: Assessment) -> list[dict[str, Any]]:
    """Return the surest ones, each with the pictures that the network saw."""
    network = model.network
    stored = test.images if isinstance(test.images, tuple) else (test.images,)
    inputs = zip(network.inputs, stored, strict=True)
    pictures = [array for name, array in inputs if takes_pictures(network, name)]
    if not pictures:
        return []
    shown = []
    for mistake in found.mistakes[:_MISTAKES]:
        label, predicted = mistake.words(found.classes)
        images = [array[mistake.index] for array in pictures]
        shown.append(
            {
                "images": [
                    {"image": encode(i), "shape": list(i.shape)} for i in images
                ],
                "label": label,
                "predicted": predicted,
                "probability": mistake.probability,
            }
        )
    return shown
