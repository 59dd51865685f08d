"""Metrics: what counts as right, and of which outputs a metric says something."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import (
    METRICS,
    OutputMeaning,
    confusion_matrix,
    default_metrics,
    filter_metrics,
    select_metrics,
)


def meaning(kind: Any, columns: int = 10, **kwargs: bool) -> OutputMeaning:
    columns = 1 if kind == "binary" else columns
    return OutputMeaning(kind=kind, columns=columns, **kwargs)


def test_accuracy_is_that_of_the_meaning() -> None:
    accuracy = select_metrics(meaning("classes", 2), ["accuracy"])["accuracy"]
    output = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_array_equal(accuracy(output, np.array([1, 1, 0])), [1, 0, 1])
    dense = np.zeros((2, 4, 3))
    dense[..., 1] = 1
    accuracy = select_metrics(meaning("classes", 3, is_per_pixel=True))["accuracy"]
    labels = np.array([[1] * 4, [1, 1, 0, 0]])
    np.testing.assert_array_equal(accuracy(dense, labels), [1, 0.5])


def test_top5_and_absolute_error() -> None:
    output = np.arange(10.0)[None].repeat(2, axis=0)
    top5 = select_metrics(meaning("classes"), ["top5_accuracy"])["top5_accuracy"]
    for labels in (np.array([5, 4]), np.eye(10)[[5, 4]]):
        np.testing.assert_array_equal(top5(output, labels), [1, 0])
    error = select_metrics(meaning("regression", 1))["mean_absolute_error"]
    np.testing.assert_allclose(error(output[:, :1], np.array([2.0, 3.0])), [2, 3])


@pytest.mark.parametrize(
    ("name", "of", "rule"),
    [
        ("accuracy", meaning("regression"), "of classes or labels; got .* regression"),
        ("top5_accuracy", meaning("regression"), "of more than 5 classes; got"),
        ("top5_accuracy", meaning("binary"), "of more than 5 classes; got"),
        ("top5_accuracy", meaning("labels"), "of more than 5 classes; got"),
        ("top5_accuracy", meaning("classes", 5), "of more .* one of 5 classes"),
        ("mean_absolute_error", meaning("classes"), "of values, .* one of 10 classes"),
        ("mean_absolute_error", meaning("binary", is_logits=True), "of values"),
        ("mean_absolute_error", meaning("labels", is_logits=True), "of values"),
    ],
)
def test_metrics_that_say_nothing_of_an_output_are_refused(
    name: str, of: OutputMeaning, rule: str
) -> None:
    with pytest.raises(pl.NetworkError, match=rf"metrics: {name} must be {rule}"):
        select_metrics(of, ["accuracy", name] if of.kind != "regression" else [name])


def test_each_meaning_has_metrics_of_its_own() -> None:
    for kind in ("classes", "binary", "labels"):
        assert tuple(select_metrics(meaning(kind))) == ("accuracy",)
    assert tuple(select_metrics(meaning("regression"))) == ("mean_absolute_error",)
    assert select_metrics(meaning("regression"), ()) == {}
    assert tuple(select_metrics(meaning("binary"), ["mean_absolute_error"]))


def test_recorded_metrics_that_do_not_suit_are_left_out() -> None:
    values, classes = meaning("regression"), meaning("classes")
    assert filter_metrics(values, ("accuracy",)) == ("mean_absolute_error",)
    assert filter_metrics(values, ()) == ()
    fitting = tuple(n for n in METRICS if n not in ("mean_absolute_error", "r2", "iou"))
    assert filter_metrics(classes, METRICS) == fitting
    assert fitting[:2] == ("accuracy", "top5_accuracy")
    assert filter_metrics(classes, None) == default_metrics(classes)


@pytest.mark.parametrize("names", [["f2"], "f2", [3], [np.ndarray]])
def test_unknown_metrics_are_refused(names: Any) -> None:
    with pytest.raises(pl.NetworkError, match="metrics: must be among accuracy"):
        select_metrics(meaning("classes"), names)


def test_confusion_matrix_has_labels_in_rows() -> None:
    matrix = confusion_matrix(np.array([1, 1, 0]), np.array([0, 1, 0]), 2)
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 1]])
