"""Weighted sum of losses, one for each output that has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.objectives import table
from pellucid.objectives.loss import Loss
from pellucid.objectives.table import as_loss


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """The loss of one output, and what it is multiplied by in the sum.

    Parameters
    ----------
    output : str
        Name of the output's node.
    loss : Loss
        Its loss.
    weight : float
        Factor in the sum.
    """

    output: str
    loss: Loss
    weight: float = 1.0


@dataclass(frozen=True)
class OutputLosses(Loss):
    """``Σₒ wₒ lossₒ`` over the outputs o of a network.

    Parameters
    ----------
    terms : tuple of OutputLoss
        One for each output that is trained, in the network's order.
    """

    terms: tuple[OutputLoss, ...]

    name: ClassVar[str] = "sum_over_outputs"

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {
            "name": self.name,
            "outputs": [
                {"output": t.output, "weight": t.weight, "loss": t.loss.to_json()}
                for t in self.terms
            ],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> OutputLosses:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : mapping
            Parsed JSON.

        Returns
        -------
        OutputLosses
            An equal one.

        Raises
        ------
        NetworkError
            If it is something else.
        """
        try:
            terms = tuple(
                OutputLoss(
                    str(entry["output"]),
                    table.loss_from_json(entry["loss"]),
                    float(entry["weight"]),
                )
                for entry in document["outputs"]
            )
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, NetworkError):
                raise
            raise NetworkError(
                f"loss '{cls.name}': outputs must be a list of output, weight and "
                f"loss; got {type(error).__name__}: {error}."
            ) from error
        return cls(terms)


def loss_from_json(document: Mapping[str, Any]) -> Loss:
    """Read what `Loss.to_json` wrote, of one output or of several.

    Parameters
    ----------
    document : mapping
        Parsed JSON.

    Returns
    -------
    Loss
        An equal one.
    """
    if document.get("name") == OutputLosses.name:
        return OutputLosses.from_json(document)
    return table.loss_from_json(document)


def output_losses(
    outputs: Sequence[str],
    loss: str | Loss | Mapping[str, str | Loss] | None,
    loss_weights: Mapping[str, float] | None = None,
) -> Loss | None:
    """Return the loss of a network with those outputs.

    Parameters
    ----------
    outputs : sequence of str
        The network's, in its order.
    loss : str, Loss or mapping, optional
        Of the one output; or {output: loss}, where an output without one is not
        trained.
    loss_weights : mapping of str to float, optional
        What each output's loss is multiplied by in the sum; 1 where not named.

    Returns
    -------
    Loss or None
        A single output's loss, or `OutputLosses`; None without a loss.

    Raises
    ------
    NetworkError
        If there are several outputs and no mapping, a name is no output's, or a
        weight is negative or not finite.
    """
    if loss is None and not loss_weights:
        return None
    if isinstance(loss, OutputLosses) and not loss_weights:
        _check_names("loss", [term.output for term in loss.terms], outputs)
        return loss
    if not isinstance(loss, Mapping):
        if len(outputs) == 1 and not loss_weights:
            return as_loss(loss)
        if len(outputs) == 1 or loss_weights:
            raise NetworkError(
                "Model: loss_weights must go with a loss for each output, "
                f"as loss={{'{outputs[0]}': …}}; got loss={loss!r}."
            )
        names = ", ".join(f"'{name}': …" for name in outputs)
        raise NetworkError(
            f"Model: loss must name one for each output, as loss={{{names}}}; "
            f"got loss={loss!r}."
        )
    _check_names("loss", list(loss), outputs)
    weights = dict(loss_weights or {})
    _check_names("loss_weights", list(weights), [o for o in outputs if o in loss])
    terms = tuple(
        OutputLoss(name, _as_loss(name, loss[name]), _weight(name, weights.get(name)))
        for name in outputs
        if name in loss
    )
    if not terms:
        raise NetworkError("Model: loss must name at least one output; got none.")
    if len(outputs) == 1 and terms[0].weight == 1:
        return terms[0].loss
    return OutputLosses(terms)


def rename_outputs(loss: Loss | None, names: Mapping[str, str]) -> Loss | None:
    """Return a loss of outputs that have other names.

    Parameters
    ----------
    loss : Loss, optional
        Of one output or several.
    names : mapping of str to str
        Former names, and what is there in their place.
    """
    if not isinstance(loss, OutputLosses):
        return loss
    terms = (replace(t, output=names.get(t.output, t.output)) for t in loss.terms)
    return OutputLosses(tuple(terms))


def _as_loss(output: str, given: str | Loss) -> Loss:
    loss = as_loss(given)
    if loss is None or isinstance(loss, OutputLosses):
        raise NetworkError(
            f"Model: loss of output '{output}' must be a loss; got {given!r}."
        )
    return loss


def _weight(output: str, given: float | None) -> float:
    value = 1.0 if given is None else given
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value < float("inf"):
        raise NetworkError(
            f"Model: loss_weights of output '{output}' must be a finite number of at "
            f"least 0; got {value!r}."
        )
    return float(value)


def _check_names(what: str, names: Sequence[str], outputs: Sequence[str]) -> None:
    for name in names:
        if name not in outputs:
            raise NetworkError(
                f"Model: {what} must name outputs, which are {', '.join(outputs)}; "
                f"got {name!r}."
            )
