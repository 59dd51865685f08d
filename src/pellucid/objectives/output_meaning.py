"""What a network's output means: classes, two classes, labels, or values.

Accuracy, probabilities, the confusion matrix and every answer that names a class ask
an `OutputMeaning`; nothing else turns an output into classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError, NetworkError

Array = npt.NDArray[Any]
Kind = Literal["classes", "binary", "labels", "regression"]
_DESCRIPTIONS: dict[Kind, str] = {
    "classes": "one of {} classes",
    "binary": "one of two classes, from one column",
    "labels": "{} independent labels",
    "regression": "a regression",
}
_HALF = 0.5  # the probability, or soft target, above which it is class 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMeaning:
    """Say what one output of a network means.

    Parameters
    ----------
    kind : {"classes", "binary", "labels", "regression"}
        One class of K, a column for each; one class of two from a single column, the
        probability of class 1; K independent labels, a column for each; or values.
    columns : int
        Size of the output's last axis.
    is_logits : bool
        Whether probabilities are the softmax (of classes) or the sigmoid of the
        output; otherwise they are the output itself.
    is_per_pixel : bool
        Whether there are axes between the batch and the last one: an answer for each
        position.

    Raises
    ------
    NetworkError
        If kind and number of columns do not fit.

    Examples
    --------
    >>> two = OutputMeaning(kind="binary", columns=1)
    >>> two.probabilities(np.array([[0.25], [0.75]])).tolist()
    [[0.75, 0.25], [0.25, 0.75]]
    >>> two.predict(np.array([[0.25], [0.75]])).tolist()
    [0, 1]
    """

    kind: Kind
    columns: int
    is_logits: bool = False
    is_per_pixel: bool = False

    def __post_init__(self) -> None:
        fits = self.columns == 1 if self.kind == "binary" else self.columns >= 1
        if self.kind not in get_args(Kind) or not fits:
            raise NetworkError(
                f"OutputMeaning: kind must be one of {', '.join(get_args(Kind))}, "
                "with one column for binary and at least one for the others; "
                f"got kind={self.kind!r}, columns={self.columns}."
            )

    # -- classes -------------------------------------------------------------------

    @property
    def class_count(self) -> int:
        """Number of classes or labels: 2 from a single column, 0 for a regression."""
        return {"binary": 2, "regression": 0}.get(self.kind, self.columns)

    def class_names(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """Return a name for each class or label: those given, else its number.

        Parameters
        ----------
        names : sequence of str
            Those that are known.

        Returns
        -------
        tuple of str
            One for each class or label.
        """
        if len(names) == self.class_count:
            return tuple(names)
        return tuple(map(str, range(self.class_count)))

    def column_names(self, names: Sequence[str] = ()) -> tuple[str, ...]:
        """Return a name for each column: of two classes that of class 1.

        Parameters
        ----------
        names : sequence of str
            Those that are known.

        Returns
        -------
        tuple of str
            One for each column of the output.
        """
        if self.kind == "binary":
            return self.class_names(names)[1:]
        if len(names) == self.columns:
            return tuple(names)
        return tuple(map(str, range(self.columns)))

    def can_be_named(self, names: Sequence[str]) -> bool:
        """Return whether there are as many names as classes, labels or values.

        Parameters
        ----------
        names : sequence of str
            Candidates.

        Returns
        -------
        bool
            Whether their number fits.
        """
        return len(names) == (self.class_count or self.columns)

    def describe(self) -> str:
        """Return the meaning in words, as an error says it.

        Returns
        -------
        str
            A noun phrase.
        """
        text = _DESCRIPTIONS[self.kind].format(self.columns)
        return f"{text}, per pixel" if self.is_per_pixel else text

    # -- outputs -------------------------------------------------------------------

    def probabilities(self, output: Array) -> Array:
        """Return the probability of each class or label.

        Parameters
        ----------
        output : ndarray, shape (N, …, columns)
            The network's output.

        Returns
        -------
        ndarray of the output's dtype, shape (N, …, class_count)
            Of two classes 1 − p and p; of labels each one's p. They add up to 1 over
            classes, except where a sigmoid rates each class for itself.

        Raises
        ------
        NetworkError
            If the output is a regression: values have no probabilities.
        """
        if self.kind == "regression":
            raise NetworkError(
                "probabilities: the output must mean classes or labels; "
                f"got {self.describe()}. Read its values with predict."
            )
        if self.kind == "binary":
            p = _sigmoid(output) if self.is_logits else output
            rest = _sigmoid(-output) if self.is_logits else 1 - output
            return np.concatenate([rest, p], axis=-1)
        if not self.is_logits:
            return output
        return _softmax(output) if self.kind == "classes" else _sigmoid(output)

    def predict(self, output: Array) -> Array:
        """Return the answer that an output gives.

        Parameters
        ----------
        output : ndarray, shape (N, …, columns)
            The network's output.

        Returns
        -------
        ndarray
            int64 of shape (N, …), the class, the first of equally probable ones; bool
            of shape (N, …, columns), whether each label is given; or, of a
            regression, the output.
        """
        if self.kind == "regression":
            return output
        if self.kind == "classes":
            largest: Array = output.argmax(axis=-1)
            return largest
        given = output > (0 if self.is_logits else _HALF)
        return given if self.kind == "labels" else given[..., 0].astype(np.int64)

    # -- targets -------------------------------------------------------------------

    def targets(self, labels: npt.ArrayLike, output_shape: tuple[int, ...]) -> Array:
        """Return labels in the form of `predict`, whatever form they were given in.

        Parameters
        ----------
        labels : array
            Classes of shape (N, …) or (N, …, 1), one-hot rows or probabilities of the
            output's shape; of two classes also 0 and 1, booleans, or the probability
            of class 1; of labels 0 and 1, booleans or probabilities. What is above ½
            is class 1.
        output_shape : tuple of int
            Shape (N, …, columns) of the output.

        Returns
        -------
        ndarray
            Shape and dtype as `predict` returns them.

        Raises
        ------
        DataError
            If they have another shape, or a class does not exist.
        """
        found = self._arranged(np.asarray(labels), output_shape)
        if self.kind in ("labels", "regression") or not found.size:
            return found
        if found.dtype.kind == "f" and (found % 1).any():
            raise DataError(
                "labels: classes must be whole numbers, for the output means "
                f"{self.describe()}; got {found[found % 1 != 0][0]}."
            )
        if found.min() < 0 or found.max() >= self.class_count:
            raise DataError(
                f"labels: classes must be from 0 to {self.class_count - 1}, for the "
                f"output means {self.describe()}; "
                f"got labels from {found.min()} to {found.max()}."
            )
        return found.astype(np.int64, copy=False)

    def _arranged(self, labels: Array, output_shape: tuple[int, ...]) -> Array:
        """Return labels in the shape and form of `predict`, unchecked otherwise."""
        places = output_shape[:-1]
        if self.kind in ("labels", "regression"):
            if labels.size != prod(output_shape) or len(labels) != output_shape[0]:
                raise self._wrong_shape(labels, (output_shape,))
            shaped: Array = labels.reshape(output_shape)
            return shaped if self.kind == "regression" else shaped > _HALF
        one_hot = (*places, self.class_count)
        if labels.shape == one_hot and self.class_count > 1:
            largest: Array = labels.argmax(axis=-1)
            return largest
        if labels.shape not in (places, (*places, 1)):
            raise self._wrong_shape(labels, (places, one_hot))
        indices: Array = labels.reshape(places)
        if self.kind == "binary" and indices.dtype.kind == "f":
            return (indices > _HALF).astype(np.int64)
        return indices

    def _wrong_shape(
        self, labels: Array, shapes: tuple[tuple[int, ...], ...]
    ) -> DataError:
        return DataError(
            f"labels: must have shape {' or '.join(map(str, shapes))}, for the output "
            f"means {self.describe()}; got shape={labels.shape}."
        )

    def correct(self, output: Array, labels: npt.ArrayLike) -> Array:
        """Return the share of each example's answers that are right, shape (N,).

        An example has one answer, one for each label, or one for each pixel.

        Parameters
        ----------
        output : ndarray, shape (N, …, columns)
            The network's output.
        labels : array
            In a form that `targets` takes.

        Returns
        -------
        ndarray of float, shape (N,)
            Shares from 0 to 1.

        Raises
        ------
        NetworkError
            If the output is a regression.
        DataError
            If the labels have a shape that `targets` does not take.
        """
        if self.kind == "regression":
            raise NetworkError(
                "accuracy: the output must mean classes or labels; "
                f"got {self.describe()}."
            )
        hits = self.predict(output) == self._arranged(np.asarray(labels), output.shape)
        return per_example(hits)

    # -- files ---------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> Self:
        """Read what `to_json` made.

        Parameters
        ----------
        document : object
            Parsed JSON.

        Returns
        -------
        OutputMeaning
            An equal one.

        Raises
        ------
        NetworkError
            If it is something else.
        """
        types = {"kind": str, "columns": int, "is_logits": bool, "is_per_pixel": bool}
        entries = document.items() if isinstance(document, Mapping) else ()
        if {name: type(value) for name, value in entries} != types:
            raise NetworkError(
                f"OutputMeaning: must have {', '.join(types)}; got {document!r}."
            )
        return cls(**document)


def per_example(values: Array) -> Array:
    """Return each example's mean over its positions, shape (N,)."""
    if values.ndim == 1:
        return values.astype(np.float64) if values.dtype == np.bool_ else values
    mean: Array = values.reshape(len(values), prod(values.shape[1:])).mean(axis=1)
    return mean


def _sigmoid(z: Array) -> Array:
    """Return 1 / (1 + e⁻ᶻ) without overflow."""
    small = np.exp(-np.abs(z))
    sigmoid: Array = np.where(z >= 0, 1, small) / (1 + small)
    return sigmoid


def _softmax(z: Array) -> Array:
    exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
    shares: Array = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return shares
