"""Weighted sums of losses on one output, and losses that ignore labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.network.expression import Expression
from pellucid.network.expression import math as pm
from pellucid.objectives.formula_loss import FormulaLoss
from pellucid.objectives.loss import LabelKind, Loss
from pellucid.objectives.shipped_losses import Dice, Yolo


@dataclass(frozen=True)
class WeightedSum(FormulaLoss):
    """``Σ wᵢ lossᵢ`` of losses on the same output: ``pl.Dice() + 0.5 * pl.Focal()``.

    Parameters
    ----------
    terms : tuple of (Loss, float)
        Losses and what they count.

    Raises
    ------
    NetworkError
        If one has no formula, or they take other labels or stand before other layers.
    """

    terms: tuple[tuple[Loss, float], ...]

    name: ClassVar[str] = "weighted_sum"

    @property
    def ignores_shift(self) -> bool:  # type: ignore[override]
        """Whether no term is changed by a number added to all logits."""
        return all(loss.ignores_shift for loss, _ in self.terms)

    def __post_init__(self) -> None:
        terms = tuple((loss, _weight(weight)) for loss, weight in self.terms)
        if not terms:
            raise NetworkError("WeightedSum: terms must be at least one; got none.")
        object.__setattr__(self, "terms", terms)
        for loss, _ in terms:
            _check_formula("WeightedSum", loss)
        for what in ("absorbs", "labels_are", "ignored"):
            kinds = {getattr(loss, what, None) for loss, _ in terms}
            if len(kinds) > 1:
                names = ", ".join(
                    f"{loss.name}: {getattr(loss, what, None)}" for loss, _ in terms
                )
                raise NetworkError(
                    f"WeightedSum: all losses must have the same {what}; got {names}."
                )

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return self.terms[0][0].absorbs

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """What the labels are to all of them."""
        return self.terms[0][0].labels_are

    @property
    def ignored(self) -> float | None:
        """The label that does not count."""
        return getattr(self.terms[0][0], "ignored", None)

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return the sum of the terms' means."""
        parts = [
            weight * pm.mean(loss.formula(output, target, mask))
            for loss, weight in self.terms
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        terms = [{"weight": w, "loss": loss.to_json()} for loss, w in self.terms]
        return {"name": self.name, "terms": terms}


@dataclass(frozen=True)
class Masked(FormulaLoss):
    """A loss that ignores a label: ``pl.Masked(pl.CrossEntropy(), ignore=255)``.

    An example's mean is taken over what is not ignored; an example without any has
    the loss 0.

    Parameters
    ----------
    loss : Loss
        The loss of what counts.
    ignore : int or float
        The label that does not.

    Raises
    ------
    NetworkError
        If the loss has no formula or looks at no labels.
    """

    loss: Loss
    ignore: float

    name: ClassVar[str] = "masked"

    @property
    def ignores_shift(self) -> bool:  # type: ignore[override]
        """Whether a number added to all logits changes nothing."""
        return self.loss.ignores_shift

    def __post_init__(self) -> None:
        _check_formula("Masked", self.loss)
        is_other = isinstance(self.loss, WeightedSum | Masked | Yolo)
        if self.loss.labels_are == "none" or is_other:
            raise NetworkError(
                "Masked: loss must be a single one with one kind of label; got "
                f"{self.loss.name}. Mask the terms of a sum."
            )
        is_number = isinstance(self.ignore, int | float)
        if not is_number or self.ignore != self.ignore or abs(self.ignore) > 2**24:
            raise NetworkError(
                f"Masked: ignore must be a number up to 2²⁴; got {self.ignore!r}."
            )
        if self.labels_are == "classes" and self.ignore < 0:
            raise NetworkError(
                "Masked: ignore must be at least 0 where labels are classes; got "
                f"{self.ignore!r}. Write such labels as 255, say: "
                "np.where(labels < 0, 255, labels)."
            )

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return self.loss.absorbs

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """What the labels are."""
        return self.loss.labels_are

    @property
    def ignored(self) -> float | None:
        """The label that does not count."""
        return self.ignore

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return the mean over what is not ignored."""
        if self.labels_are == "classes":  # an ignored class is a row of zeros
            own = pm.sum(target, "channels")
            counted = pm.where(own > 0, 1.0, 0.0)
        else:
            is_same = pm.where(target >= self.ignore, 1.0, 0.0) * pm.where(
                target <= self.ignore, 1.0, 0.0
            )
            counted = 1 - is_same
        given = pm.where(counted > 0, target, 0.0)
        value = self.loss.formula(output, given, counted)
        if isinstance(self.loss, Dice):
            return value
        share = pm.mean(counted)
        kept = pm.where(counted > 0, value, 0.0)
        return pm.mean(kept) / pm.where(share > 0, share, 1.0)

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {"name": self.name, "loss": self.loss.to_json(), "ignore": self.ignore}


def multiply(loss: Loss, weight: float) -> Loss:
    """Return a loss times a number."""
    terms = loss.terms if isinstance(loss, WeightedSum) else ((loss, 1.0),)
    return WeightedSum(tuple((term, w * _weight(weight)) for term, w in terms))


def add(first: Loss, second: Loss) -> Loss:
    """Return the sum of two losses.

    Raises
    ------
    NetworkError
        If the second is none.
    """
    if not isinstance(second, Loss):
        raise NetworkError(f"loss: a sum must be of losses; got {second!r}.")
    both = [
        loss.terms if isinstance(loss, WeightedSum) else ((loss, 1.0),)
        for loss in (first, second)
    ]
    return WeightedSum((*both[0], *both[1]))


def _weight(given: Any) -> float:
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not 0 <= given < float("inf"):
        raise NetworkError(
            "WeightedSum: a weight must be a finite number of at least 0; "
            f"got {given!r}."
        )
    return float(given)


def _check_formula(who: str, loss: Any) -> None:
    if not isinstance(loss, Loss) or type(loss).formula is Loss.formula:
        got = getattr(loss, "name", loss)
        raise NetworkError(
            f"{who}: each loss must have a formula; got {got!r}, which has none."
        )
