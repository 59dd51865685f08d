"""What went wrong in a training, in words, with the figures that say so."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pellucid.data import Dataset, as_dataset
from pellucid.explain.answers import Answers, answer
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.inputs import check_dataset
from pellucid.network.layers import ReLU, ReLU6
from pellucid.training import History

_IMAGES = 500  # that are looked at
_FAR = 2  # times log K, a loss that no guessing has
_RISE = 0.02  # relative, of a loss from epoch to epoch; less is chance
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


def diagnose(
    model: Model, history: History, data: Dataset | Sequence[Any]
) -> tuple[Symptom, ...]:
    """Say what went wrong in a training; nothing where it went well.

    Parameters
    ----------
    model : Model
        With the weights that training left.
    history : History
        Of that training; of no epoch, nothing is said.
    data : Dataset or (images, labels)
        Images that were not trained on, with labels; at most 500 are looked at, drawn
        evenly.

    Returns
    -------
    tuple of Symptom
        The gravest first; empty if nothing is wrong, or too little is known.
    """
    if len(model.network.inputs) > 1 or len(model.network.outputs) > 1:
        return ()
    data = check_dataset(as_dataset(data), "diagnose", model.network, model.loss)
    if not len(history) or not len(data):
        return ()
    count = min(len(data), _IMAGES)
    some = data.subset(np.linspace(0, len(data) - 1, count).astype(int))
    images = some.images[:]  # files are read here
    answers = answer(model, images, some.labels)
    course = [*_overfitting(history), *_look_at_rate(model, history, answers)]
    found = course
    if answers is not None:
        rates = {symptom.kind for symptom in course}
        if "rate-too-low" not in rates and _began_far(model, history):
            rates.add("rate-too-high")
        found = [*_look_at_answers(history, answers, rates), *course]
    scores = [*history["val_accuracy"], *history["accuracy"]]
    if found or not scores or max(scores) < _GOOD:
        # compiles on some engines
        found = [*found, *_look_for_dead_units(model, images, found)]
    return tuple(found)


def _look_at_answers(
    history: History, answers: Answers, rates: Collection[str]
) -> Iterator[Symptom]:
    """Chance, one class for all, and labels that cannot be learned."""
    count, most = len(answers.truth), float(answers.shares.max())
    if answers.are_chance:
        yield from _at_chance(history, answers, rates)
    given = np.bincount(answers.given)
    if given.max() / count >= _ONE_CLASS and most < 1 - _GAP:
        yield Symptom(
            kind="one-class",
            text=f"{given.max() / count:.0%} of {count} images are answered "
            f"'{answers.names[int(given.argmax())]}', which {most:.0%} at most are.",
            advice="Balance the classes (class_weight='balanced')"
            f"{_other_rate(rates, ', take a {} learning rate')}, or look whether the "
            "images all look alike after preprocessing.",
        )


def _at_chance(
    history: History, answers: Answers, rates: Collection[str]
) -> Iterator[Symptom]:
    trained = max(history["accuracy"], default=0.0)
    most, count = float(answers.shares.max()), len(answers.truth)
    if trained >= most + _LEARNED:
        yield Symptom(
            kind="shuffled-labels",
            text=f"{trained:.0%} of the training images are right, but of {count} "
            f"other images {answers.right:.0%}, which is chance ({most:.0%}).",
            advice="The labels look shuffled, or the two kinds of images are read "
            "differently: print some of both with their labels.",
        )
        return
    rate = _other_rate(rates, "Try a {} learning rate, and ")
    yield Symptom(
        kind="at-chance",
        text=f"Accuracy is {answers.right:.1%} of {count} images of "
        f"{len(answers.shares)} classes; the most frequent class alone gives "
        f"{most:.1%}. Nothing has been learned.",
        advice=f"{rate or 'Try '}one batch again and again: a network that cannot "
        "learn 64 images by heart has a mistake in it, or in its labels, or another "
        "learning rate is needed.",
    )


def _other_rate(rates: Collection[str], text: str) -> str:
    """Return a text with the rate that the loss asks for, if it asks for one."""
    if "rate-too-high" in rates:
        return text.format("smaller")
    return text.format("larger") if "rate-too-low" in rates else ""


def _look_at_rate(
    model: Model, history: History, answers: Answers | None
) -> Iterator[Symptom]:
    losses = np.array(history["loss"])
    if not len(losses) or not np.isfinite(losses).all():
        return
    guess, steps = _guess(model), np.diff(losses)
    is_falling = len(steps) >= 2 and bool((steps < 0).all())
    is_slow = is_falling and losses[0] > 0 and 1 - losses[-1] / losses[0] < _SLOW
    far = _FAR * guess
    if guess and answers and not is_slow and min(losses[-1], answers.loss) > far:
        yield Symptom(
            kind="rate-too-high",
            text=f"The training loss is {losses[-1]:.4g} at the end; equal "
            f"probabilities for all classes give {guess:.4g}.",
            advice="Take a learning rate ten times smaller or less, or clip_norm.",
        )
        return
    if len(losses) < 3:
        return
    rises = steps > _RISE * np.abs(losses[:-1])
    is_above = losses[-1] > losses[0] + _RISE * abs(losses[0])
    if is_above or (rises.mean() >= 0.5 and losses[-1] > losses[0] / 2):
        yield Symptom(
            kind="rate-too-high",
            text=f"The training loss rose in {(steps > 0).sum()} of {len(steps)} "
            f"epochs and went from {losses[0]:.4g} to {losses[-1]:.4g}.",
            advice="Take a learning rate three to ten times smaller, or clip_norm.",
        )
    elif is_slow:
        accuracy = history["accuracy"]
        if not accuracy or accuracy[-1] < 1 - _GAP:
            yield Symptom(
                kind="rate-too-low",
                text=f"The training loss fell in every epoch, but only from "
                f"{losses[0]:.4g} to {losses[-1]:.4g} in {len(losses)}.",
                advice="Take a learning rate three to ten times larger, or more "
                "epochs.",
            )


def _began_far(model: Model, history: History) -> bool:
    """Return whether the first epoch's loss was far above that of guessing."""
    guess, losses = _guess(model), history["loss"]
    return bool(guess and losses and losses[0] > _FAR * guess)


def _guess(model: Model) -> float:
    """Return the loss of equal probabilities; 0 where the loss is no cross entropy."""
    name = getattr(model.loss, "name", "")
    if name not in ("cross_entropy", "binary_cross_entropy"):
        return 0.0
    return float(np.log(max(model.output_meaning.class_count, 1)))


def _overfitting(history: History) -> Iterator[Symptom]:
    val = history["val_loss"]
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


def _look_for_dead_units(
    model: Model, images: Array, others: Sequence[Symptom]
) -> Iterator[Symptom]:
    is_slow = any(symptom.kind == "rate-too-low" for symptom in others)
    smaller = "" if is_slow else "a smaller learning rate, "
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
                f"{len(images)} images: no gradient passes through them there.",
                advice=f"Take {smaller}schedule='warm_up', batch norm, or LeakyReLU.",
            )
