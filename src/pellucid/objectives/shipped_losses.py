"""Huber, focal, Dice, KL divergence, triplet and YOLO's compound loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pellucid.errors import NetworkError
from pellucid.network.expression import Expression
from pellucid.network.expression import math as pm
from pellucid.objectives.formula_loss import FormulaLoss
from pellucid.objectives.loss import LabelKind

Mask = Expression | float
Activation = Literal["sigmoid", "softmax"]
_ENDS = {"sigmoid": "Sigmoid", "softmax": "Softmax"}


def _check(who: str, what: str, value: float, least: float = 0.0) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value < float("inf"):
        raise NetworkError(
            f"{who}: {what} must be a finite number of at least {least:g}; "
            f"got {what}={value!r}."
        )


@dataclass(frozen=True)
class Huber(FormulaLoss):
    """``½ (z − t)²`` where ``|z − t| ≤ δ``, else ``δ (|z − t| − δ / 2)``.

    Huber 1964; the mean over elements. Labels have the output's shape.

    Parameters
    ----------
    delta : float
        From where on errors count linearly.
    """

    delta: float = 1.0

    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        _check("Huber", "delta", self.delta)
        if not self.delta:
            raise NetworkError("Huber: delta must be above 0; got delta=0.")

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the loss of each element."""
        size, delta = pm.abs(output - target), self.delta
        return pm.where(size <= delta, 0.5 * size * size, delta * (size - 0.5 * delta))


@dataclass(frozen=True)
class Focal(FormulaLoss):
    """``−α (1 − p)^γ log p``, p being the probability of what is true.

    Lin et al. 2017, eq. 5. Where the network ends in the activation's layer, the loss
    is computed from the logits.

    Parameters
    ----------
    gamma : float
        How much less an example counts that is right already; 0 is cross-entropy.
    alpha : float, optional
        With sigmoid: what label 1 counts, label 0 counts ``1 − α``. Both count 1 if
        left out.
    activation : {"sigmoid", "softmax"}
        Independent labels 0 … 1 of the output's shape, the mean over elements; or one
        class of several for each position.
    """

    gamma: float = 2.0
    alpha: float | None = None
    activation: Activation = "sigmoid"

    name: ClassVar[str] = "focal"

    def __post_init__(self) -> None:
        _check("Focal", "gamma", self.gamma)
        _check_activation("Focal", self.activation)
        if self.alpha is not None:
            _check("Focal", "alpha", self.alpha)
            if self.alpha > 1 or self.activation == "softmax":
                raise NetworkError(
                    "Focal: alpha must be at most 1, and go with sigmoid; got "
                    f"alpha={self.alpha!r}, activation={self.activation!r}."
                )

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return _ENDS[self.activation]

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """Labels of the output's shape, or classes."""
        return "output" if self.activation == "sigmoid" else "classes"

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the loss of each element, or of each position."""
        if self.activation == "softmax":
            log_p = pm.log_softmax(output)
            share = (1 - pm.exp(log_p)) ** self.gamma if self.gamma else 1.0
            return -pm.sum(target * share * log_p, "channels")
        # −log p and log(1 − p) of label 1; of label 0 the same with −z
        hit, miss = pm.softplus(-output), pm.softplus(output)
        one = pm.exp(-self.gamma * miss) * hit  # (1 − p)^γ = e^(−γ softplus(z))
        zero = pm.exp(-self.gamma * hit) * miss
        a = self.alpha
        left, right = (1.0, 1.0) if a is None else (a, 1 - a)
        return left * target * one + right * (1 - target) * zero


@dataclass(frozen=True)
class Dice(FormulaLoss):
    """``1 − (2 Σ p·t + s) / (Σ p + Σ t + s)``, the mean over channels.

    Milletari et al. 2016, with sums over an example's positions. Where the network
    ends in the activation's layer, the loss is computed from the logits.

    Parameters
    ----------
    smooth : float
        s, which makes an empty mask that is found empty a loss of 0.
    activation : {"sigmoid", "softmax"}
        A mask of 0 and 1 for each channel; or one class of several for each position.
    """

    smooth: float = 1.0
    activation: Activation = "sigmoid"

    name: ClassVar[str] = "dice"

    def __post_init__(self) -> None:
        _check("Dice", "smooth", self.smooth)
        _check_activation("Dice", self.activation)

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return _ENDS[self.activation]

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """Labels of the output's shape, or classes."""
        return "output" if self.activation == "sigmoid" else "classes"

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the loss of each channel; ignored positions stand in no sum."""
        function = pm.sigmoid if self.activation == "sigmoid" else pm.softmax
        p, t = function(output) * mask, target * mask
        both = pm.sum(p * t, "positions")
        size = pm.sum(p, "positions") + pm.sum(t, "positions")
        return 1 - (2 * both + self.smooth) / (size + self.smooth)


def _check_activation(who: str, activation: str) -> None:
    if activation not in _ENDS:
        raise NetworkError(
            f"{who}: activation must be 'sigmoid' or 'softmax'; "
            f"got activation={activation!r}."
        )


@dataclass(frozen=True)
class KLDivergence(FormulaLoss):
    """``Σₖ tₖ (log tₖ − log softmax(z / T)ₖ) · T²``, the mean over positions, in nats.

    Labels are probabilities of the output's shape, or classes. With a temperature it
    is the loss of distillation (Hinton, Vinyals & Dean 2015): labels are then the
    teacher's probabilities at that temperature.

    Parameters
    ----------
    temperature : float
        T, by which the logits are divided.
    """

    temperature: float = 1.0

    name: ClassVar[str] = "kl_divergence"
    absorbs: ClassVar[str | None] = "Softmax"
    labels_are: ClassVar[LabelKind] = "classes"

    def __post_init__(self) -> None:
        _check("KLDivergence", "temperature", self.temperature)
        if not self.temperature:
            raise NetworkError(
                "KLDivergence: temperature must be above 0; got temperature=0."
            )

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the loss of each position."""
        scale = self.temperature
        log_t = pm.log(pm.where(target > 0, target, 1.0))  # 0 · log 0 is 0
        costs = target * (log_t - pm.log_softmax(output / scale))
        return pm.sum(costs, "channels") * scale**2


@dataclass(frozen=True)
class Triplet(FormulaLoss):
    """``max(|a − p|² − |a − n|² + margin, 0)``: near to p, far from n.

    Schroff, Kalenichenko & Philbin 2015, eq. 3. The output's channels are the three
    embeddings a, p and n one after the other, as `Concat` of three calls of one
    network makes them. Labels are not looked at; any array of N will do.

    Parameters
    ----------
    margin : float
        How much farther n must be than p.
    """

    margin: float = 0.2

    name: ClassVar[str] = "triplet"
    labels_are: ClassVar[LabelKind] = "none"

    def __post_init__(self) -> None:
        _check("Triplet", "margin", self.margin)

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the loss of each position."""
        anchor, positive, negative = pm.split(output, 3)
        near = pm.sum((anchor - positive) ** 2, "channels")
        far = pm.sum((anchor - negative) ** 2, "channels")
        return pm.relu(near - far + self.margin)


@dataclass(frozen=True)
class Yolo(FormulaLoss):
    """YOLO's compound loss over cells or boxes: place, size, object and class.

    Redmon et al. 2016, eq. 3, with binary cross-entropy for the object and
    cross-entropy for the class, as later versions have it. Output and labels have
    the channels x, y, w, h, object and one for each class; the object's and classes'
    outputs are logits. Only boxes whose label has an object count for place, size and
    class. An example's loss is a sum over its boxes.

    Parameters
    ----------
    coordinates : float
        What place and size count.
    no_object : float
        What the object's loss counts where there is none.
    classes : float
        What the class counts.
    """

    coordinates: float = 5.0
    no_object: float = 0.5
    classes: float = 1.0

    name: ClassVar[str] = "yolo"

    def __post_init__(self) -> None:
        for what in ("coordinates", "no_object", "classes"):
            _check("Yolo", what, getattr(self, what))

    def formula(self, output: Expression, target: Expression, mask: Mask) -> Expression:
        """Return the sum over an example's boxes."""
        is_object = target[..., 4]
        error = output[..., 0:4] - target[..., 0:4]
        box = pm.sum(error * error, "channels")
        z = output[..., 4]
        there = pm.softplus(-z) * is_object
        absent = pm.softplus(z) * (1 - is_object)
        # softmax cross-entropy; with one class it is 0
        log_p = pm.log_softmax(output[..., 5:])
        kind = -pm.sum(target[..., 5:] * log_p, "channels")
        each = (
            self.coordinates * is_object * box
            + there
            + self.no_object * absent
            + self.classes * is_object * kind
        )
        return pm.sum(each)
