"""A classifier's answers to some images, and whether chance gives as good ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.explain.values import Array
from pellucid.model import Model

_FEW = 50  # images, fewer of which say nothing about chance
_SIGMAS = 3  # how far above chance the mean recall must be to count as learned
_BETTER = 0.9  # times the errors of the most frequent class alone
_NEAR_CHANCE = 0.9  # times the entropy of the classes' shares


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers, beside the truth.

    Parameters
    ----------
    given, truth : ndarray of int, shape (N,)
        Classes.
    names : tuple of str
        Of all classes.
    loss : float
        Cross entropy in nats.
    """

    given: Array
    truth: Array
    names: tuple[str, ...]
    loss: float

    @property
    def shares(self) -> Array:
        """Share of the images of each class that occurs."""
        counts = np.bincount(self.truth)
        return np.asarray(counts[counts > 0] / len(self.truth))

    @property
    def right(self) -> float:
        """Share of right answers."""
        return float((self.given == self.truth).mean())

    @property
    def recall(self) -> float:
        """Share of right answers in each class that occurs, their mean."""
        classes = np.unique(self.truth)
        return float(
            np.mean([(self.given[self.truth == k] == k).mean() for k in classes])
        )

    @property
    def are_chance(self) -> bool:
        """Whether answers that know nothing of the images would be as good."""
        shares, count = self.shares, len(self.shares)
        one = 1 / count  # recall of answers by chance, and its deviation
        each = one * (1 - one) / (shares * len(self.truth))
        limit = one + _SIGMAS * float(np.sqrt(each.sum())) / count
        entropy = float(-(shares * np.log(shares)).sum())
        is_better = 1 - self.right < _BETTER * (1 - shares.max())
        return (
            self.recall <= limit
            and self.loss >= _NEAR_CHANCE * entropy
            and not is_better
        )


def answer(model: Model, images: Array, labels: Array) -> Answers | None:
    """Return the answers; None where they are no classes, or too few to judge."""
    meaning = model.output_meaning
    if meaning.kind not in ("classes", "binary") or meaning.is_per_pixel:
        return None
    output = model.predict(images)
    given = meaning.predict(output).ravel().astype(int)
    truth = meaning.targets(labels, output.shape).ravel().astype(int)
    too_few = len(truth) < max(_FEW, 2 * meaning.class_count)
    if too_few or len(truth) != len(given) or len(np.unique(truth)) < 2:
        return None
    shares = meaning.probabilities(np.asarray(output, np.float64))
    own = shares.reshape(len(truth), -1)[np.arange(len(truth)), truth]
    return Answers(
        given=given,
        truth=truth,
        names=tuple(model.class_names or meaning.class_names(model.classes)),
        loss=float(-np.log(np.clip(own, 1e-300, 1)).mean()),
    )
