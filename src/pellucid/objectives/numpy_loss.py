"""A loss of one's own as NumPy functions: value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.objectives.label_arrays import check
from pellucid.objectives.loss import LabelKind, Loss, check_kinds, check_title

Array = npt.NDArray[Any]
Function = Callable[[Array, Array], Any]
#: those that were made in this process, by name: what a file's name leads to
_REGISTERED: dict[str, NumpyLoss] = {}


@dataclass(frozen=True)
class NumpyLoss(Loss):
    """A loss of one's own, as a NumPy function with its gradient.

    It runs on every engine, which calls the functions back with arrays; compiled
    engines leave their own code for it. Whatever can be written with `pellucid.math`
    is faster as a `TracedLoss`.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` returns the loss of each example, shape (N,), for
        the network's output (N, …) and labels as they are in the data.
    gradient : callable
        ``gradient(output, target)`` returns the derivative of each example's loss by
        its output, of the output's shape.
    title : str, optional
        What a file calls it; the function's name if left out. Where a file with that
        name is read, the loss must have been made before.
    labels : {"output", "classes", "none"} or int
        As in `TracedLoss`; classes come as they are.
    logits_of : {"Softmax", "Sigmoid"}, optional
        As in `TracedLoss`.

    Raises
    ------
    NetworkError
        If a function or the title is none.
    """

    function: Function = field(compare=False)
    gradient: Function = field(compare=False)
    title: str = ""
    labels: LabelKind = "output"
    logits_of: str | None = None

    name: ClassVar[str] = "numpy"
    ignores_shift: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for what in ("function", "gradient"):
            if not callable(getattr(self, what)):
                raise NetworkError(
                    f"NumpyLoss: {what} must be a function of (output, target); "
                    f"got {getattr(self, what)!r}."
                )
        given = self.title or getattr(self.function, "__name__", "")
        title = check_title("NumpyLoss", given)
        check_kinds("NumpyLoss", self.labels, self.logits_of)
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "name", title)
        _REGISTERED[title] = self

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """What the labels are."""
        return self.labels

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return self.logits_of

    def check_labels(self, labels: Array, output_shape: tuple[int, ...]) -> Array:
        """Return labels as the functions take them, for an output (N, …).

        Parameters
        ----------
        labels : ndarray
            As given.
        output_shape : tuple of int
            (N, …) of the output.

        Returns
        -------
        ndarray
            Checked; booleans as integers, classes without a last axis of 1.
        """
        return check(self.name, self.labels, labels, output_shape)

    def each(self, output: Array, labels: Array) -> tuple[Array, Array]:
        """Return the loss of each example and its gradient.

        Parameters
        ----------
        output : ndarray, shape (N, …)
            The network's, or logits.
        labels : ndarray
            As `check_labels` returned them.

        Returns
        -------
        value : ndarray of float64, shape (N,)
            Each example's loss.
        grad : ndarray, shape (N, …)
            Its derivative by the output.

        Raises
        ------
        NetworkError
            If a function returns something else than it must.
        """
        n = len(output)
        value = _as_floats(self.function(output, labels))
        if value is None or value.shape != (n,):
            raise NetworkError(
                f"loss '{self.name}': function must return one number for each of {n} "
                f"examples; got {_shape(value)}."
            )
        grad = _as_floats(self.gradient(output, labels))
        if grad is None or grad.shape != output.shape:
            raise NetworkError(
                f"loss '{self.name}': gradient must return an array of the output's "
                f"shape {output.shape}; got {_shape(grad)}."
            )
        return value, grad.astype(output.dtype)

    def to_json(self) -> dict[str, Any]:
        """Return its name, and what its labels are."""
        return {
            "name": type(self).name,
            "title": self.title,
            "labels": self.labels,
            "logits_of": self.logits_of,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> NumpyLoss:
        """Return the loss of that name, if it was made in this process.

        Otherwise one that can be asked nothing but its name, so that a model predicts
        without it.

        Parameters
        ----------
        document : mapping
            What `to_json` wrote.

        Returns
        -------
        NumpyLoss
            The one of that name, or a stand-in for it.
        """
        title = document.get("title")
        if not isinstance(title, str) or not title:
            raise NetworkError(f"loss 'numpy': title must be a name; got {title!r}.")
        known = _REGISTERED.get(title)
        if known is not None:
            return known

        def refuse(output: Array, target: Array) -> NoReturn:
            raise NetworkError(
                f"loss '{title}': must be made before it is computed, for a file holds "
                f"no function; got its name only. Make it by pl.NumpyLoss(…, "
                f"title='{title}') and read the file again."
            )

        made = cls(
            refuse,
            refuse,
            title,
            document.get("labels", "output"),
            document.get("logits_of"),
        )
        del _REGISTERED[title]
        return made


def _as_floats(value: Any) -> Array | None:
    try:
        return None if value is None else np.asarray(value, np.float64)
    except (TypeError, ValueError):
        return None


def _shape(value: Array | None) -> str:
    return "no numbers" if value is None else f"shape={value.shape}"
