"""Losses that are an expression of output and target, and one's own of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.network.expression import (
    Expression,
    TensorProgram,
    from_json,
    run,
    tensor_program,
    to_json,
    trace,
)
from pellucid.network.expression.evaluate import NUMPY
from pellucid.objectives.label_arrays import arrange, check
from pellucid.objectives.loss import LabelKind, Loss, check_kinds, check_title

Array = npt.NDArray[Any]
_NAMES = ("output", "target")
#: NumPy's function for each operator, over arrays (N, positions, channels)
OPERATORS: dict[str, Callable[..., Any]] = NUMPY | {
    "largest_channel": functools.partial(np.max, axis=2, keepdims=True),
    "sum": functools.partial(np.sum, axis=(1, 2), keepdims=True),
    "sum_channels": functools.partial(np.sum, axis=2, keepdims=True),
    "sum_positions": functools.partial(np.sum, axis=1, keepdims=True),
}


@dataclass(frozen=True)
class FormulaLoss(Loss):
    """A loss that its formula defines, on every engine.

    The gradient is taken symbolically. What the formula leaves is averaged over an
    example's elements, then over the batch by the examples' weights.
    """

    @property
    def expression(self) -> Expression:
        """The loss of an example, of ``output`` and ``target``."""
        return _expression(self)

    @property
    def ignored(self) -> float | None:
        """The label that does not count, if there is one."""
        return None

    def channels_of_labels(self, output_shape: tuple[int, ...]) -> int:
        """Return how many channels labels have for its formula.

        Parameters
        ----------
        output_shape : tuple of int
            Of one example.

        Returns
        -------
        int
            Channels.
        """
        kind = self.labels_are
        if kind == "none":
            return 1
        return kind if isinstance(kind, int) else output_shape[-1]

    def program(self, output_shape: tuple[int, ...]) -> TensorProgram:
        """Return value and gradient for an output of that shape, without N.

        Parameters
        ----------
        output_shape : tuple of int
            Of one example.

        Returns
        -------
        TensorProgram
            Its instructions.

        Raises
        ------
        NetworkError
            If the output has not the channels that the formula takes.
        """
        columns = self.channels_of_labels(output_shape)
        widths = (("output", output_shape[-1]), ("target", columns))
        try:
            return tensor_program(self.expression, prod(output_shape[:-1]), widths)
        except NetworkError as error:
            raise NetworkError(f"loss '{self.name}': {error}") from None

    def check_labels(self, labels: Array, output_shape: tuple[int, ...]) -> Array:
        """Return labels as the loss takes them, for an output (N, …).

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

        Raises
        ------
        DataError
            If their shape does not fit, a class is out of range, or a number is not
            finite.
        """
        return check(self.name, self.labels_are, labels, output_shape, self.ignored)

    def arrange_labels(
        self, labels: Array, output_shape: tuple[int, ...], dtype: Any
    ) -> Array:
        """Return labels as its formula takes them, shape (N, positions, channels).

        Classes become rows of 0 and 1, ignored ones rows of 0.

        Parameters
        ----------
        labels : ndarray
            As `check_labels` returned them.
        output_shape : tuple of int
            (N, …) of the output.
        dtype : dtype
            Of the result.

        Returns
        -------
        ndarray, shape (N, positions, channels)
            In order of the output's positions.
        """
        columns = self.channels_of_labels(output_shape[1:])
        return arrange(self.labels_are, labels, output_shape, columns, dtype)

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
        value : ndarray, shape (N,)
            Each example's loss.
        grad : ndarray, shape (N, …)
            Its derivative by the output.
        """
        shape = output.shape
        z = output.reshape(shape[0], prod(shape[1:-1]), shape[-1])
        t = self.arrange_labels(labels, shape, output.dtype)
        program = self.program(shape[1:])
        with np.errstate(all="ignore"):
            done = run(
                program,
                OPERATORS,
                {"output": z, "target": t},
                lambda number, like: np.asarray(number, like.dtype),
            )
        each = np.broadcast_to(done[program.loss].reshape(-1), (len(z),))
        grad = np.zeros_like(z)
        for start, stop, i in program.gradients:
            grad[..., start:stop] += done[i]
        return each, grad.reshape(shape)


@functools.lru_cache(maxsize=256)
def _expression(loss: FormulaLoss) -> Expression:
    def whole(output: Expression, target: Expression) -> Expression:
        return loss.formula(output, target, 1.0)

    return trace(whole, f"loss '{loss.name}'", _NAMES, has_tensors=True)


@dataclass(frozen=True)
class TracedLoss(FormulaLoss):
    """A loss of one's own: a function of (output, target), traced.

    Parameters
    ----------
    function : callable or Expression
        From output and target of one example to its loss, by operators and
        `pellucid.math`: ``lambda output, target: abs(output - target)``. Tensors have
        positions and channels; what is left is averaged.
    labels : {"output", "classes", "none"} or int
        What labels are: numbers of the output's shape; a class for each position,
        which the function sees as rows of 0 and 1; nothing that it looks at; or so
        many numbers for each position.
    logits_of : {"Softmax", "Sigmoid"}, optional
        Where the network ends in that layer, the function is given what stands
        before it.
    title : str, optional
        What it is called; the function's name if left out.

    Raises
    ------
    NetworkError
        If the function cannot be traced.

    Examples
    --------
    >>> import pellucid as pl
    >>> pl.TracedLoss(lambda output, target: abs(output - target)).function
    pl.math.abs(output - target)
    """

    function: Any
    labels: LabelKind = "output"
    logits_of: str | None = None
    title: str = ""

    name: ClassVar[str] = "traced"
    ignores_shift: ClassVar[bool] = False

    def __post_init__(self) -> None:
        who = "TracedLoss"
        name = getattr(self.function, "__name__", "")
        given = self.title or ("own" if name in ("", "<lambda>") else name)
        title = check_title(who, given)
        check_kinds(who, self.labels, self.logits_of)
        made = self.function
        if not isinstance(made, Expression):
            if not callable(made):
                raise NetworkError(
                    f"{who}: function must be one of (output, target); got {made!r}."
                )
            made = trace(made, who, _NAMES, has_tensors=True)
        object.__setattr__(self, "function", made)
        object.__setattr__(self, "title", title)
        object.__setattr__(self, "name", title)

    @property
    def labels_are(self) -> LabelKind:  # type: ignore[override]
        """What the labels are."""
        return self.labels

    @property
    def absorbs(self) -> str | None:  # type: ignore[override]
        """Class name of the last layer that it is computed together with."""
        return self.logits_of

    @property
    def expression(self) -> Expression:
        """The traced function."""
        return self.function  # type: ignore[no-any-return]

    def formula(
        self, output: Expression, target: Expression, mask: Expression | float
    ) -> Expression:
        """Return the traced function; its variables are these."""
        return self.function  # type: ignore[no-any-return]

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values."""
        return {
            "name": type(self).name,
            "expression": to_json(self.function),
            "labels": self.labels,
            "logits_of": self.logits_of,
            "title": self.title,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : mapping
            Parsed JSON.

        Returns
        -------
        TracedLoss
            An equal one.

        Raises
        ------
        NetworkError
            If it is something else.
        """
        given = {name: document.get(name) for name in ("labels", "logits_of", "title")}
        if not isinstance(given["title"], str):
            raise NetworkError(
                f"loss 'traced': title must be a text; got {given['title']!r}."
            )
        rows = document.get("expression")
        return cls(from_json(rows, _NAMES, has_tensors=True), **given)  # type: ignore[arg-type]
