"""Metrics: what counts as right."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid.objectives import as_metrics, confusion_matrix
from pellucid.objectives.metrics import absolute_error, correct, top5_correct


def test_accuracy_of_classes_soft_labels_and_single_outputs() -> None:
    output = np.array([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_array_equal(correct(output, np.array([1, 1, 0])), [1, 0, 1])
    soft = np.array([[0.4, 0.6], [0.4, 0.6], [1, 0]])
    np.testing.assert_array_equal(correct(output, soft), [1, 0, 1])
    one = np.array([[0.2], [0.7]])
    np.testing.assert_array_equal(correct(one, np.array([[0.0], [0.0]])), [1, 0])
    dense = np.zeros((2, 4, 3))
    dense[..., 1] = 1
    np.testing.assert_array_equal(
        correct(dense, np.array([[1] * 4, [1, 1, 0, 0]])), [1, 0.5]
    )


def test_top5_and_absolute_error() -> None:
    output = np.arange(10.0)[None].repeat(2, axis=0)
    np.testing.assert_array_equal(top5_correct(output, np.array([5, 4])), [1, 0])
    np.testing.assert_allclose(
        absolute_error(output[:, :1], np.array([2.0, 3.0])), [2, 3]
    )


def test_confusion_matrix_has_labels_in_rows() -> None:
    matrix = confusion_matrix(np.array([1, 1, 0]), np.array([0, 1, 0]), 2)
    np.testing.assert_array_equal(matrix, [[1, 1], [0, 1]])


def test_unknown_metrics_are_refused() -> None:
    with pytest.raises(pl.NetworkError, match="metrics: must be among accuracy"):
        as_metrics(["f1"])
