"""A network's output as probabilities of its classes or labels."""

from __future__ import annotations

from pellucid.explain.ports import output_name
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of


def probabilities(
    model: Model, output: Array, *, of_output: str | None = None
) -> Array:
    """Return the probability of each class or label, shape (N, …, classes).

    Of a single output that tells two classes apart, 1 − p and p.

    Parameters
    ----------
    model : Model
        Says what its output means.
    output : ndarray, shape (N, …)
        What `Model.predict` returned.
    of_output : str, optional
        The output's name, where the network has several.

    Returns
    -------
    ndarray, shape (N, …, classes)
        Probabilities from 0 to 1.

    Raises
    ------
    NetworkError
        If the output is a regression: values have no probabilities.
    """
    meaning = output_meaning_of(model, output_name(model, of_output))
    return meaning.probabilities(output)


def class_scores(model: Model, output: Array, *, of_output: str | None = None) -> Array:
    """Return what speaks for each class: its probability; of a regression, values."""
    meaning = output_meaning_of(model, output_name(model, of_output))
    return output if meaning.kind == "regression" else meaning.probabilities(output)
