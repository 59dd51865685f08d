"""Metrics: figures for people, never for the gradient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import NetworkError
from pellucid.objectives.dataset_metrics import DATASET_METRICS, DatasetMetric
from pellucid.objectives.loss import Loss
from pellucid.objectives.loss_metric import LossMetric
from pellucid.objectives.metric_function import PREFIX, MetricFunction
from pellucid.objectives.output_meaning import Kind, OutputMeaning, per_example

Array = npt.NDArray[Any]
#: from output and labels to one value for each example, shape (N,); of a whole
#: dataset, `DatasetMetric`, to one number
Metric = Callable[[Array, Array], Any]
MetricCallable = Callable[..., Any]
Metrics = str | Loss | MetricCallable | Sequence[str | Loss | MetricCallable]

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


def overlap(meaning: OutputMeaning, output: Array, labels: Array) -> Array:
    """Return each example's intersection over union, shape (N,).

    Its mean over the classes that the mask or the answer has; of two classes from one
    column, class 1's alone. 1 where there is nothing and nothing is found.
    """
    found, wanted = meaning.predict(output), meaning.targets(labels, output.shape)
    if meaning.kind == "classes":
        classes = np.arange(meaning.class_count)
        found, wanted = (a[..., None] == classes for a in (found, wanted))
    elif meaning.kind == "binary":
        found, wanted = (a[..., None] == 1 for a in (found, wanted))
    places = tuple(range(1, found.ndim - 1))
    both = (found & wanted).sum(axis=places)
    either = (found | wanted).sum(axis=places)  # (N, classes)
    shares = np.where(either, both / np.maximum(either, 1), 0.0).sum(axis=1)
    counts = np.count_nonzero(either, axis=1)
    return np.where(counts, shares / np.maximum(counts, 1), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """How a metric is computed, and of which outputs."""

    compute: Callable[[OutputMeaning, Array, Array], Any]
    kinds: tuple[Kind, ...]
    must: str
    takes_logits: bool = True
    least_columns: int = 1
    is_per_pixel: bool = False
    #: whether it is computed of all outputs together, not as a mean over examples
    is_of_dataset: bool = False

    def fits(self, meaning: OutputMeaning) -> bool:
        return (
            meaning.kind in self.kinds
            and (meaning.is_per_pixel or not self.is_per_pixel)
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
    "iou": _Rule(
        compute=overlap,
        kinds=("classes", "binary", "labels"),
        must="of the classes or labels of each pixel",
        is_per_pixel=True,
    ),
    "mean_absolute_error": _Rule(
        compute=absolute_error,
        kinds=("regression", "binary", "labels"),
        must="of values, or of the probabilities of labels",
        takes_logits=False,
    ),
}
_RULES |= {
    name: _Rule(
        compute=formula,
        kinds=kinds,
        must="of values" if kinds == ("regression",) else "of classes or labels",
        is_of_dataset=True,
    )
    for name, (kinds, formula) in DATASET_METRICS.items()
}
METRICS: tuple[str, ...] = tuple(_RULES)


def default_metrics(meaning: OutputMeaning) -> tuple[str, ...]:
    """Return the names of the metrics that suit an output.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.

    Returns
    -------
    tuple of str
        ``mean_absolute_error`` for a regression, else ``accuracy``.
    """
    is_values = meaning.kind == "regression"
    return ("mean_absolute_error",) if is_values else ("accuracy",)


def has_plain_labels(loss: Loss | None) -> bool:
    """Return whether labels are what the output means: of its classes or values.

    Those that a loss ignores, and what only the loss understands, are not.

    Parameters
    ----------
    loss : Loss or None
        What they are labels for.

    Returns
    -------
    bool
        Whether they can be compared with the output.
    """
    kind = getattr(loss, "labels_are", "output")
    return kind in ("output", "classes") and getattr(loss, "ignored", None) is None


def usual_metrics(meaning: OutputMeaning, loss: Loss | None) -> tuple[str, ...]:
    """Return the metrics that are measured where none are named.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.
    loss : Loss or None
        Decides whether labels can be compared with the output.

    Returns
    -------
    tuple of str
        `default_metrics`, or none.
    """
    return default_metrics(meaning) if has_plain_labels(loss) else ()


def select_metrics(
    meaning: OutputMeaning, given: Metrics | None = None
) -> dict[str, Metric]:
    """Return metrics by name, as they are computed from such an output.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.
    given : str, function, or sequence of those, optional
        accuracy, top5_accuracy, iou, mean_absolute_error; of whole datasets precision,
        recall, f1, jaccard (means over classes), micro_precision, micro_recall,
        micro_f1, auc, calibration_error and r2; and functions as in `MetricFunction`;
        `default_metrics` if left out.

    Returns
    -------
    dict of str to function
        Each takes output and labels and returns a value for each example, shape (N,).

    Raises
    ------
    NetworkError
        If there is no metric of a name, it says nothing of such an output, or two
        have the same name.
    """
    found: dict[str, Metric] = {}
    for one in default_metrics(meaning) if given is None else metric_list(given):
        name, metric = _named(meaning, one)
        if name in found or (name in METRICS and name != one):
            raise NetworkError(
                f"metrics: names must be distinct; got {name!r} twice. "
                "Give functions names of their own, with def."
            )
        found[name] = metric
    return found


def _named(meaning: OutputMeaning, one: str | MetricCallable) -> tuple[str, Metric]:
    """Return a metric with its name."""
    if not isinstance(one, str):
        function = MetricFunction(one)
        if isinstance(one, LossMetric):
            return function.name, partial(one.of_output, meaning)
        return function.name, function
    rule = _RULES.get(one)
    if rule is None:
        raise _no_metric(one)
    if not rule.fits(meaning):
        others = ", ".join(n for n, r in _RULES.items() if r.fits(meaning))
        raise NetworkError(
            f"metrics: {one} must be {rule.must}; "
            f"got an output that means {meaning.describe()}. Take {others}."
        )
    if rule.is_of_dataset:
        return one, DatasetMetric(meaning, rule.compute)
    return one, partial(rule.compute, meaning)


def filter_metrics(
    meaning: OutputMeaning, names: Sequence[str] | None
) -> tuple[str, ...]:
    """Return those of some names that suit an output, else the default ones.

    Names of functions, which have to be given again, stay.

    Parameters
    ----------
    meaning : OutputMeaning
        What the output means.
    names : sequence of str or None
        As a recipe keeps them.

    Returns
    -------
    tuple of str
        The suitable ones.
    """
    fitting = [
        name
        for name in names or ()
        if name.startswith(PREFIX) or (name in _RULES and _RULES[name].fits(meaning))
    ]
    return tuple(fitting) if fitting or names == () else default_metrics(meaning)


def metric_list(given: Metrics) -> tuple[str | MetricCallable, ...]:
    """Return one metric or several as a tuple.

    Parameters
    ----------
    given : str, function, or sequence of those
        Metrics.

    Returns
    -------
    tuple of str or function
        In the same order.

    Raises
    ------
    NetworkError
        If one is neither a name nor a function.
    """
    is_one = isinstance(given, str | Loss) or callable(given)
    listed: list[Any] = [given] if is_one else list(given)  # type: ignore[arg-type]
    several = tuple(LossMetric(v) if isinstance(v, Loss) else v for v in listed)
    for one in several:
        if not isinstance(one, str) and (not callable(one) or isinstance(one, type)):
            raise NetworkError(
                f"metrics: must be among {', '.join(METRICS)}, or functions of "
                f"(output, target); got {one!r}."
            )
    return several


def metric_names(given: Metrics) -> tuple[str, ...]:
    """Return metrics as a recipe keeps them; functions have to be given again.

    Parameters
    ----------
    given : str, function, or sequence of those
        Metrics.

    Returns
    -------
    tuple of str
        Names; a function's has a prefix that no metric of ours has.
    """
    return tuple(
        one if isinstance(one, str) else f"{PREFIX}{MetricFunction(one).name}"
        for one in metric_list(given)
    )


def _no_metric(name: str) -> NetworkError:
    if name.startswith(PREFIX):
        return NetworkError(
            f"metrics: must be given again, for one is a function of the program that "
            f"trained; got {name.removeprefix(PREFIX)!r}. Go on in Python, with "
            "Model.fit(metrics=…, resume=True)."
        )
    return NetworkError(f"metrics: must be among {', '.join(METRICS)}; got {name!r}.")
