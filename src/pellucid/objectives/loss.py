"""What a loss is, and the mean over examples that all of them take."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.network.expression import Expression

Array = npt.NDArray[Any]
#: labels of the output's shape; one class for each position, or its probabilities;
#: labels that are not looked at; or so many channels
LabelKind: TypeAlias = Literal["output", "classes", "none"] | int


@dataclass(frozen=True)
class Loss:
    """Describe a loss: its name, and the node it absorbs at the network's end."""

    name: ClassVar[str] = ""
    #: class name of the last layer that is computed together with the loss
    absorbs: ClassVar[str | None] = None
    #: what the labels are to its formula
    labels_are: ClassVar[LabelKind] = "output"
    #: whether one number added to all logits before a Softmax changes nothing
    ignores_shift: ClassVar[bool] = True

    def value_and_grad(
        self,
        output: Array,
        labels: Array,
        sample_weight: Array | None = None,
        *,
        total: float | None = None,
    ) -> tuple[float, Array]:
        """Return the loss and its gradient with respect to ``output``.

        Parameters
        ----------
        output : ndarray, shape (N, …)
            Logits, or the network's output.
        labels : ndarray
            As the loss says.
        sample_weight : ndarray, shape (N,), optional
            Weights wᵢ of the mean ``Σ wᵢlᵢ / Σ wᵢ``.
        total : float, optional
            ``Σ wᵢ`` of the whole batch, where these examples are a part of it; the
            parts' losses and gradients then add up to the batch's.

        Returns
        -------
        value : float
            The loss.
        grad : ndarray, shape (N, …)
            Its gradient with respect to ``output``.
        """
        losses, grad = self.each(output, np.asarray(labels))
        return mean_of_examples(losses, grad, sample_weight, total)

    def each(self, output: Array, labels: Array) -> tuple[Array, Array]:
        """Return the loss of each example, position or element, and its gradient.

        Parameters
        ----------
        output, labels : ndarray, shape (N, …)
            As `value_and_grad` takes them.

        Returns
        -------
        value : ndarray, shape (N, …)
            Of what is averaged.
        grad : ndarray, shape (N, …)
            Its derivative by the output.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            ``name`` and the hyperparameters.
        """
        return {"name": self.name, **dataclasses.asdict(self)}

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return the loss as an expression, of each element, position or example.

        Parameters
        ----------
        output, target : Expression
            Of one example. Classes are rows of 0 and 1, where they are ignored of 0.
        mask : Expression or float
            0 where labels are ignored, else 1. The mean over what is not ignored is
            taken outside, except where the loss has averaged itself.

        Returns
        -------
        Expression
            Sums and weighted sums, and compiled engines, are made of it.

        Raises
        ------
        NetworkError
            If the loss has none.
        """
        raise NetworkError(
            f"loss '{self.name}': must have a formula to be summed, multiplied or "
            "masked; got one that has not. Take TracedLoss."
        )

    def __mul__(self, weight: float) -> Loss:
        """Return the loss, multiplied."""
        from pellucid.objectives.composed_losses import multiply

        return multiply(self, weight)

    __rmul__ = __mul__

    def __radd__(self, other: Any) -> Loss:
        """Let `sum` add losses, which begins with 0."""
        return self if other == 0 else NotImplemented

    def __add__(self, other: Loss) -> Loss:
        """Return the sum of two losses."""
        from pellucid.objectives.composed_losses import add

        return add(self, other)


def check_title(who: str, title: Any) -> str:
    """Return what a loss of one's own is called.

    Raises
    ------
    NetworkError
        If it is no name, or that of another loss.
    """
    from pellucid.objectives.table import LOSSES

    if not isinstance(title, str) or not title or title == "<lambda>":
        raise NetworkError(
            f"{who}: title must be a name, by which it is called; got {title!r}."
        )
    if title in LOSSES:
        raise NetworkError(
            f"{who}: title must not be the name of another loss; got {title!r}."
        )
    return title


def check_kinds(who: str, labels: Any, logits_of: Any) -> None:
    """Check what labels are, and the layer that is computed together with the loss.

    Raises
    ------
    NetworkError
        If one of them is none.
    """
    is_count = type(labels) is int and labels >= 1
    if not is_count and labels not in ("output", "classes", "none"):
        raise NetworkError(
            f"{who}: labels must be 'output', 'classes', 'none' or a number of "
            f"channels; got labels={labels!r}."
        )
    if logits_of not in (None, "Softmax", "Sigmoid"):
        raise NetworkError(
            f"{who}: logits_of must be 'Softmax', 'Sigmoid' or None; "
            f"got logits_of={logits_of!r}."
        )


def mean_of_examples(
    losses: Array, grad: Array, sample_weight: Array | None, total: float | None
) -> tuple[float, Array]:
    """Average per-position losses: over an example's positions, then over examples."""
    count = len(losses)
    positions = losses[0].size if losses.ndim > 1 else 1
    weight = np.ones(count) if sample_weight is None else sample_weight
    w = weight / (total_weight(count, sample_weight) if total is None else total)
    per_example = losses.reshape(count, -1).sum(axis=1, dtype=np.float64) / positions
    w_grad = (w / positions).astype(grad.dtype).reshape(count, *[1] * (grad.ndim - 1))
    return float(np.dot(per_example, w)), grad * w_grad


def total_weight(count: int, sample_weight: Array | None) -> float:
    """Return ``Σ wᵢ``: the number of examples where there are no weights."""
    if sample_weight is None:
        return float(count)
    return float(sample_weight.sum(dtype=np.float64))
