"""The output that an explanation is about: a class, a label or a value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pellucid.errors import NetworkError
from pellucid.explain.ports import output_name
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.ports import output_meaning_of
from pellucid.network.checks import is_int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenOutput:
    """One output of a network, by its column.

    Parameters
    ----------
    index : int
        The class, label or value.
    column : int
        Where it stands on the output's last axis.
    sign : {1, -1}
        −1 for class 0 of a single output, which grows as the output falls.
    name : str
        Its name, or number.
    """

    index: int
    column: int
    sign: int
    name: str

    def gradient(self, output: Array) -> Array:
        """Return the gradient of this output with respect to all, shape (1, K)."""
        grad = np.zeros_like(output)
        grad[0, self.column] = self.sign
        return grad


def choose_output(
    model: Model, output: Array, index: int | None, *, of_output: str | None = None
) -> ChosenOutput:
    """Return the output that was chosen, or the largest one.

    Parameters
    ----------
    model : Model
        Whose output it is.
    output : ndarray, shape (K,)
        Of one example.
    index : int, optional
        A class, label or value. A single output that tells two classes apart is
        class 1, also if the index is left out; class 0 is its opposite.
    of_output : str, optional
        The output's name, where the network has several.

    Raises
    ------
    NetworkError
        If there is no such class, or the output is not one number per class.
    """
    if output.ndim != 1:
        raise NetworkError(
            "explain: the network's output must be one number for each class; "
            f"got shape={output.shape}."
        )
    meaning = output_meaning_of(model, output_name(model, of_output))
    count = meaning.class_count or meaning.columns
    if index is None:
        index = 1 if meaning.kind == "binary" else int(output.argmax())
    if not is_int(index) or not 0 <= index < count:
        raise NetworkError(
            f"explain: class must be from 0 to {count - 1}; got {index!r}."
        )
    index = int(index)
    if meaning.kind == "binary":
        names = meaning.class_names(model.classes)
        sign = 1 if index else -1
        return ChosenOutput(index=index, column=0, sign=sign, name=names[index])
    names = meaning.column_names(model.classes)
    return ChosenOutput(index=index, column=index, sign=1, name=names[index])
