"""What went wrong in a training, in words, with the figures that say so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.inputs import check_dataset
from pellucid.network.layers import ReLU, ReLU6
from pellucid.training import History

_IMAGES = 500  # that are looked at
_SIGMAS = 3  # how far above chance accuracy must be to count as learned
_ONE_CLASS = 0.97  # share of equal answers
_GOOD = 0.9  # accuracy from which nothing is asked of single units
_DEAD = 0.2  # share of a layer's channels
_GAP = 0.1  # between the accuracies of overfitting
_WORSE = 1.2  # times the least val_loss
_SLOW = 0.1  # relative fall of the loss
_LEARNED = 0.3  # above chance, on training images


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """One thing that is wrong with a trained network.

    Parameters
    ----------
    kind : str
        at-chance, one-class, shuffled-labels, overfitting, dead-units, rate-too-high or
        rate-too-low.
    text : str
        What was seen, with figures.
    advice : str
        What to try.
    """

    kind: str
    text: str
    advice: str

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            kind, text and advice.
        """
        return asdict(self)


def diagnose(model: Model, history: History, data: Dataset) -> tuple[Symptom, ...]:
    """Say what went wrong in a training; nothing where it went well.

    Parameters
    ----------
    model : Model
        With the weights that training left.
    history : History
        Of that training.
    data : Dataset
        Images that were not trained on, with labels; at most 500 are looked at, drawn
        evenly.

    Returns
    -------
    tuple of Symptom
        The gravest first; empty if nothing is wrong, or too little is known.
    """
    if len(model.network.inputs) > 1 or len(model.network.outputs) > 1:
        return ()
    data = check_dataset(data, "diagnose", model.network, model.loss)
    count = min(len(data), _IMAGES)
    some = data.subset(np.linspace(0, len(data) - 1, count).astype(int))
    images = some.images[:]  # files are read here
    found = [
        *_look_at_answers(model, history, images, some.labels),
        *_look_at_course(history),
    ]
    scores = [*history["val_accuracy"], *history["accuracy"]]
    if found or not scores or max(scores) < _GOOD:
        found += _look_for_dead_units(model, images)  # compiles on some engines
    return tuple(found)


def _look_at_answers(
    model: Model, history: History, images: Array, labels: Array
) -> Iterator[Symptom]:
    """Chance, one class for all, and labels that cannot be learned."""
    meaning = model.output_meaning
    if meaning.kind not in ("classes", "binary") or meaning.is_per_pixel:
        return
    output = model.predict(images)
    answers = meaning.predict(output).ravel().astype(int)
    truth = meaning.targets(labels, output.shape).ravel().astype(int)
    if len(truth) != len(answers) or len(truth) < 2 * meaning.class_count:
        return
    counts = np.bincount(truth, minlength=meaning.class_count)
    chance = float(counts.max() / len(truth))
    limit = chance + _SIGMAS * float(np.sqrt(chance * (1 - chance) / len(truth)))
    right = float((answers == truth).mean())
    names = model.class_names or meaning.class_names(model.classes)
    given = np.bincount(answers, minlength=len(counts))
    if right <= min(limit, 0.999):
        yield from _at_chance(history, right, chance, meaning.class_count)
    if given.max() / len(truth) >= _ONE_CLASS and chance < 1 - _GAP:
        yield Symptom(
            kind="one-class",
            text=f"{given.max() / len(truth):.0%} of {len(truth)} images are answered "
            f"'{names[int(given.argmax())]}', which {chance:.0%} at most are.",
            advice="Balance the classes (class_weight='balanced'), take a smaller "
            "learning rate, or look whether the images all look alike after "
            "preprocessing.",
        )


def _at_chance(
    history: History, right: float, chance: float, classes: int
) -> Iterator[Symptom]:
    trained = max(history["accuracy"], default=0.0)
    if trained >= chance + _LEARNED:
        yield Symptom(
            kind="shuffled-labels",
            text=f"{trained:.0%} of the training images are right, but of other images "
            f"{right:.0%}, which is chance ({chance:.0%}).",
            advice="The labels look shuffled, or the two kinds of images are read "
            "differently: print some of both with their labels.",
        )
        return
    yield Symptom(
        kind="at-chance",
        text=f"Accuracy is {right:.1%} of {classes} classes; the most frequent class "
        f"alone gives {chance:.1%}. Nothing has been learned.",
        advice="Try a learning rate ten times smaller, more epochs, and one batch "
        "again and again: a network that cannot learn 64 images by heart has a "
        "mistake in it, or in its labels.",
    )


def _look_at_course(history: History) -> Iterator[Symptom]:
    losses, val = history["loss"], history["val_loss"]
    yield from _overfitting(history, val)
    if len(losses) < 3 or not all(np.isfinite(losses)):
        return
    steps = np.diff(losses)
    if losses[-1] > losses[0] or (steps > 0).mean() >= 0.5:
        yield Symptom(
            kind="rate-too-high",
            text=f"The training loss rose in {(steps > 0).sum()} of {len(steps)} "
            f"epochs and went from {losses[0]:.4g} to {losses[-1]:.4g}.",
            advice="Take a learning rate three to ten times smaller, or clip_norm.",
        )
    elif 1 - losses[-1] / losses[0] < _SLOW and (steps < 0).all() and losses[0] > 0:
        accuracy = history["accuracy"]
        if not accuracy or accuracy[-1] < 1 - _GAP:
            yield Symptom(
                kind="rate-too-low",
                text=f"The training loss fell in every epoch, but only from "
                f"{losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)}.",
                advice="Take a learning rate three to ten times larger, or more "
                "epochs.",
            )


def _overfitting(history: History, val: list[float]) -> Iterator[Symptom]:
    if len(val) < 3 or not all(np.isfinite(val)):
        return
    best = int(np.argmin(val))
    trained, held = history["accuracy"], history["val_accuracy"]
    has_gap = bool(trained and held) and trained[-1] - held[-1] > _GAP
    is_worse = best <= len(val) - 3 and val[-1] > _WORSE * val[best]
    if is_worse and (has_gap or not trained):
        yield Symptom(
            kind="overfitting",
            text=f"val_loss was least in epoch {best + 1} ({val[best]:.4g}) and is "
            f"{val[-1]:.4g} after {len(val)}, while the training loss fell to "
            f"{history['loss'][-1]:.4g}.",
            advice="Stop early (early_stopping), augment the images, add dropout or "
            "weight decay, or take a smaller network.",
        )


def _look_for_dead_units(model: Model, images: Array) -> Iterator[Symptom]:
    nodes = [n for n in model.network.nodes if isinstance(n.layer, ReLU | ReLU6)]
    if not nodes:
        return
    most: dict[str, Array] = {}
    for first in range(0, len(images), 100):
        found = model.activations(images[first : first + 100])
        for node in nodes:
            values = found[node.name]
            top = values.max(axis=tuple(range(values.ndim - 1)))
            most[node.name] = np.maximum(most.get(node.name, top), top)
    for name, top in most.items():
        dead = int((top <= 0).sum())
        if dead / len(top) >= _DEAD:
            yield Symptom(
                kind="dead-units",
                text=f"{dead} of {len(top)} channels of {name} are 0 for each of "
                f"{len(images)} images: no gradient reaches them any more.",
                advice="Take a smaller learning rate, schedule='warm_up', batch norm, "
                "or LeakyReLU.",
            )
