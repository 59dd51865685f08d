"""Losses by name: as an argument, and from JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pellucid.errors import NetworkError
from pellucid.objectives.composed_losses import Masked, WeightedSum
from pellucid.objectives.formula_loss import TracedLoss
from pellucid.objectives.loss import Loss
from pellucid.objectives.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredErrorSum,
    MeanSquaredError,
)
from pellucid.objectives.numpy_loss import NumpyLoss
from pellucid.objectives.shipped_losses import (
    Dice,
    Focal,
    Huber,
    KLDivergence,
    Triplet,
    Yolo,
)

LOSSES: dict[str, type[Loss]] = {
    kind.name: kind
    for kind in (
        CrossEntropy,
        BinaryCrossEntropy,
        MeanSquaredError,
        HalfSquaredErrorSum,
        Dice,
        Focal,
        Huber,
        KLDivergence,
        Triplet,
        Yolo,
    )
}


def as_loss(loss: str | Loss | Callable[..., Any] | None) -> Loss | None:
    """Return the loss that a name or a function stands for.

    Parameters
    ----------
    loss : str, Loss, callable or None
        A name gives the loss with its defaults; a function of (output, target) is
        traced.

    Returns
    -------
    Loss or None
        None if None is given.
    """
    if loss is None or isinstance(loss, Loss):
        return loss
    if callable(loss) and not isinstance(loss, type):
        return TracedLoss(loss)
    if not isinstance(loss, str) or loss not in LOSSES:
        raise NetworkError(
            f"loss: must be one of {', '.join(LOSSES)} or a Loss; got {loss!r}."
        )
    return LOSSES[loss]()


def loss_from_json(document: Mapping[str, Any]) -> Loss:
    """Read what `Loss.to_json` wrote."""
    arguments = dict(document)
    name = arguments.pop("name", None)
    if name in _READERS:
        return _READERS[name](arguments)
    if name not in LOSSES:
        raise NetworkError(
            f"loss: name must be one of {', '.join(LOSSES)}; got {name!r}."
        )
    try:
        return LOSSES[name](**arguments)
    except TypeError as error:
        raise NetworkError(
            f"loss '{name}': arguments must be its own; got {error}."
        ) from error


def _masked(arguments: Mapping[str, Any]) -> Masked:
    inner, ignore = _pair("masked", arguments, "loss", "ignore")
    return Masked(_inner("masked", inner), ignore)


def _weighted_sum(arguments: Mapping[str, Any]) -> WeightedSum:
    (terms,) = _pair("weighted_sum", arguments, "terms")
    if not isinstance(terms, list):
        raise NetworkError(
            f"loss 'weighted_sum': terms must be a list; got {type(terms).__name__}."
        )
    pairs = [_pair("weighted_sum", term, "loss", "weight") for term in terms]
    return WeightedSum(
        tuple((_inner("weighted_sum", loss), weight) for loss, weight in pairs)
    )


def _inner(who: str, document: Any) -> Loss:
    is_flat = isinstance(document, Mapping) and document.get("name") not in _READERS
    is_own = isinstance(document, Mapping) and document.get("name") in _INNER[who]
    if not (is_flat or is_own):
        raise NetworkError(f"loss '{who}': loss must be one loss; got {document!r}.")
    return loss_from_json(document)


def _pair(who: str, document: Any, *names: str) -> list[Any]:
    if not isinstance(document, Mapping) or set(document) != set(names):
        raise NetworkError(
            f"loss '{who}': must have {' and '.join(names)}; got {str(document)[:100]}."
        )
    return [document[name] for name in names]


#: composed losses and those of one's own, by what reads them
_READERS: dict[Any, Callable[[Mapping[str, Any]], Loss]] = {
    Masked.name: _masked,
    NumpyLoss.name: NumpyLoss.from_json,
    TracedLoss.name: TracedLoss.from_json,
    WeightedSum.name: _weighted_sum,
}
_INNER = {"masked": ("traced",), "weighted_sum": ("traced", "masked")}
