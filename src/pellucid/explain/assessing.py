"""Run a trained network over data, and count where it is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.engines.ports import split
from pellucid.explain.assessment import Assessment, Mistake
from pellucid.explain.values import Array
from pellucid.model import Model
from pellucid.model.inputs import check_dataset
from pellucid.model.ports import output_meanings
from pellucid.model.several_fit import as_several, evaluate_several
from pellucid.network.ports import require_single
from pellucid.objectives import (
    OutputMeaning,
    area_under_curve,
    calibration_error,
    class_columns,
    confidences,
    count_confusion,
    select_metrics,
)
from pellucid.training import TestTimeAugment, evaluate


def assess(
    model: Model,
    dataset: Dataset,
    *,
    batch_size: int = 256,
    tta: TestTimeAugment | None = None,
) -> Assessment:
    """Run a network over data, and say where it is right.

    Parameters
    ----------
    model : Model
        On any engine.
    dataset : Dataset
        Images and labels.
    batch_size : int
        Images at once.
    tta : TestTimeAugment, optional
        Views of each image whose outputs are averaged.

    Returns
    -------
    Assessment
        Accuracy, scores of each class, confusion matrix and the most confident
        mistakes.

    Raises
    ------
    DataError, ShapeError
        If the data does not fit the network.
    """
    require_single("evaluate", model.network, sharing=True)
    dataset = check_dataset(dataset, "evaluate", model.network, model.loss)
    meaning = model.meaning_for(dataset.labels)
    meaning.targets(dataset.labels, (len(dataset), *model.network.output_shape))
    counter = _Counter(meaning)
    metrics = evaluate(
        model.network,
        model.view(tta),
        model.batches(dataset, batch_size),
        loss=model.loss,
        metrics=select_metrics(meaning),
        on_batch=counter.count_batch,
    )
    named = model.classes if meaning.can_be_named(model.classes) else dataset.classes
    return counter.assessment(metrics, len(dataset), named, dataset.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputAssessments:
    """How good a network of several inputs or outputs is on data.

    Parameters
    ----------
    metrics : dict of str to float
        The loss, and each output's loss and metrics, by ``<output>_<name>``.
    count : int
        Examples that were looked at.
    outputs : dict of str to Assessment
        Of each output that has labels; its metrics without the output's name.
    """

    metrics: dict[str, float]
    count: int
    outputs: dict[str, Assessment]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        outputs = {name: one.to_json() for name, one in self.outputs.items()}
        return {"metrics": self.metrics, "count": self.count, "outputs": outputs}


def assess_outputs(
    model: Model,
    data: Any,
    *,
    batch_size: int = 256,
    tta: TestTimeAugment | None = None,
) -> OutputAssessments:
    """Run a network of several inputs or outputs over data, as `assess`.

    Parameters
    ----------
    model : Model
        On any engine.
    data : SeveralDataset or (images, labels)
        As `Model.fit` takes it.
    batch_size : int
        Examples at once.
    tta : TestTimeAugment, optional
        Views of each image whose outputs are averaged.

    Returns
    -------
    OutputAssessments
        Of each output that has labels.

    Raises
    ------
    DataError, ShapeError
        If the data does not fit the network.
    """
    dataset, names = as_several(model, data, "evaluate"), model.network.outputs
    meanings = output_meanings(model, dataset.labels)
    counters = {}
    for name, labels in zip(names, dataset.labels, strict=True):
        if labels is not None:
            meanings[name].targets(labels, (len(labels), *model.network.shapes[name]))
            counters[name] = _Counter(meanings[name])

    def count_batch(count: int, output: Any, labels: Any) -> None:
        values, truths = split("output", names, output), split("labels", names, labels)
        for name, value, truth in zip(names, values, truths, strict=True):
            if name in counters:
                counters[name].count_batch(count, value, truth)

    metrics = evaluate_several(
        model,
        dataset,
        None,
        batch_size,
        on_batch=count_batch,
        session=model.view(tta),
    )
    of_one = len(names) == 1
    return OutputAssessments(
        metrics=metrics,
        count=len(dataset),
        outputs={
            name: counter.assessment(
                metrics
                if of_one
                else {
                    key.removeprefix(f"{name}_"): value
                    for key, value in metrics.items()
                    if key.startswith(f"{name}_")
                },
                len(dataset),
                model.classes if of_one else (),
                (),
            )
            for name, counter in counters.items()
        },
    )


class _Counter:
    """The confusion and the mistakes of one output, batch after batch."""

    def __init__(self, meaning: OutputMeaning) -> None:
        self._meaning = meaning
        self._counts = np.zeros(_confusion_shape(meaning), np.int64)
        self._mistakes: list[Mistake] = []
        self._columns: list[list[tuple[Array, Array]]] = []
        self._sure: list[tuple[Array, Array]] = []

    def count_batch(self, count: int, output: Array, labels: Array) -> None:
        """Add a batch, with which ``count`` examples are done."""
        meaning = self._meaning
        if not meaning.class_count:
            return
        predicted = meaning.predict(output)
        truth = meaning.targets(labels, output.shape)
        self._counts += count_confusion(meaning, output, labels)
        if not meaning.is_per_pixel:
            self._columns.append(class_columns(meaning, output, labels))
            self._sure.append(confidences(meaning, output, labels))
            shares = meaning.probabilities(output)
            start = count - len(output)
            self._mistakes += _mistakes(shares, predicted, truth, start)

    def assessment(
        self,
        metrics: dict[str, float],
        count: int,
        names: Sequence[str],
        files: Sequence[str],
    ) -> Assessment:
        """Return all that was counted."""
        mistakes = self._mistakes
        if files:
            mistakes = [replace(m, file=files[m.index]) for m in mistakes]
        return Assessment(
            metrics=metrics,
            count=count,
            meaning=self._meaning,
            classes=self._meaning.class_names(names),
            confusion=self._counts,
            mistakes=tuple(sorted(mistakes, key=lambda m: -m.probability)),
            class_areas=tuple(map(_area, zip(*self._columns, strict=True))),
            calibration=calibration_error(*_join(self._sure)) if self._sure else None,
        )


def _join(pairs: Iterable[tuple[Array, Array]]) -> tuple[Array, Array]:
    first, second = (np.concatenate(one) for one in zip(*pairs, strict=True))
    return first, second


def _area(batches: Iterable[tuple[Array, Array]]) -> float | None:
    """Return the area under a class's curve; None where all or none are of it."""
    scores, is_there = _join(batches)
    has_both = bool(is_there.any() and not is_there.all())
    return area_under_curve(scores, is_there) if has_both else None


def _confusion_shape(meaning: OutputMeaning) -> tuple[int, ...]:
    count = meaning.class_count
    return (count, 2, 2) if meaning.kind == "labels" else (count, count)


def _mistakes(
    shares: Array, predicted: Array, truth: Array, start: int
) -> Iterator[Mistake]:
    """Yield the mistakes of a batch whose first example is number ``start``."""
    for place in np.argwhere(predicted != truth).tolist():
        row, *column = place
        said, label = int(predicted[tuple(place)]), int(truth[tuple(place)])
        if column:  # one of several labels: how sure it was of having it or not
            p = float(shares[row, column[0]])
            sure, of_label = (p if said else 1 - p), column[0]
        else:
            sure, of_label = float(shares[row, said]), None
        yield Mistake(
            index=start + row,
            label=label,
            predicted=said,
            probability=sure,
            of_label=of_label,
        )
