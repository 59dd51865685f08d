"""Metrics: figures for people, never for the gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.objectives.output_meaning import Kind, OutputMeaning, per_example

Array = npt.NDArray[Any]
#: from output and labels to one value for each example, shape (N,)
Metric = Callable[[Array, Array], Array]

_TOP = 5


def correct(meaning: OutputMeaning, output: Array, labels: Array) -> Array:
    """Return the share of each example's answers that are right, shape (N,)."""
    return meaning.correct(output, labels)


def top5_correct(meaning: OutputMeaning, output: Array, labels: Array) -> Array:
    """Return 1 where the class is among the five largest outputs, shape (N,)."""
    classes = meaning.targets(labels, output.shape)
    mine = np.take_along_axis(output, classes[..., None], axis=-1)
    return per_example((output > mine).sum(axis=-1) < _TOP)


def absolute_error(meaning: OutputMeaning, output: Array, labels: Array) -> Array:
    """Return the mean absolute error of each example, shape (N,)."""
    del meaning  # its values, or probabilities, are the output itself
    return per_example(np.abs(output - labels.reshape(output.shape)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How a metric is computed, and of which outputs."""

    compute: Callable[[OutputMeaning, Array, Array], Array]
    kinds: tuple[Kind, ...]
    must: str
    takes_logits: bool = True
    least_columns: int = 1

    def fits(self, meaning: OutputMeaning) -> bool:
        return (
            meaning.kind in self.kinds
            and meaning.columns >= self.least_columns
            and (self.takes_logits or not meaning.is_logits)
        )


_RULES = {
    "accuracy": _Rule(
        compute=correct,
        kinds=("classes", "binary", "labels"),
        must="of classes or labels",
    ),
    "top5_accuracy": _Rule(
        compute=top5_correct,
        kinds=("classes",),
        must=f"of more than {_TOP} classes",
        least_columns=_TOP + 1,
    ),
    "mean_absolute_error": _Rule(
        compute=absolute_error,
        kinds=("regression", "binary", "labels"),
        must="of values, or of the probabilities of labels",
        takes_logits=False,
    ),
}
METRICS: tuple[str, ...] = tuple(_RULES)


def default_metrics(meaning: OutputMeaning) -> tuple[str, ...]:
    """Return the names of the metrics that suit an output."""
    is_values = meaning.kind == "regression"
    return ("mean_absolute_error",) if is_values else ("accuracy",)


def metrics_for(
    meaning: OutputMeaning, names: Iterable[str] | None = None
) -> dict[str, Metric]:
    """Return metrics by name, as they are computed from such an output.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.
    names : iterable of str, optional
        accuracy, top5_accuracy, mean_absolute_error; `default_metrics` if left out.

    Raises
    ------
    NetworkError
        If there is no metric of a name, or it says nothing of such an output.
    """
    found = {}
    for name in default_metrics(meaning) if names is None else _listed(names):
        rule = _RULES[name]
        if not rule.fits(meaning):
            others = ", ".join(n for n, r in _RULES.items() if r.fits(meaning))
            raise NetworkError(
                f"metrics: {name} must be {rule.must}; "
                f"got an output that means {meaning.describe()}. Take {others}."
            )
        found[name] = partial(rule.compute, meaning)
    return found


def fitting_metrics(
    meaning: OutputMeaning, names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return those of some names that suit an output, else the default ones."""
    fitting = [n for n in names or () if n in _RULES and _RULES[n].fits(meaning)]
    return tuple(fitting) if fitting or names == () else default_metrics(meaning)


def _listed(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of metrics; NetworkError if there is none of a name."""
    listed = (names,) if isinstance(names, str) or callable(names) else tuple(names)
    for name in listed:
        if not isinstance(name, str) or name not in _RULES:
            raise NetworkError(
                f"metrics: must be among {', '.join(_RULES)}; got {name!r}."
            )
    return listed


def confusion_matrix(predicted: Array, labels: Array, classes: int) -> Array:
    """Return counts, shape (classes, classes): row = label, column = predicted."""
    flat = labels.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(flat.ravel(), minlength=classes**2).reshape(classes, classes)
