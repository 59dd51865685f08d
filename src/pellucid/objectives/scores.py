"""Scores of whole datasets: precision, recall, F1, Jaccard, AUC, calibration, R²."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError

Array = npt.NDArray[Any]
_BINS = 15  # of the calibration error
_Z = 1.959963984540054  # of a 95 % interval


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores:
    """Counts of each class or label, and what follows from them.

    Parameters
    ----------
    right, predicted, actual : ndarray of int64, shape (K,)
        How often a class was predicted rightly, was predicted, and is there.
    """

    right: Array
    predicted: Array
    actual: Array

    @classmethod
    def of(cls, confusion: Array) -> ClassScores:
        """Count from a confusion matrix.

        Parameters
        ----------
        confusion : ndarray of int64, shape (K, K) or (K, 2, 2)
            Row: label, column: what was predicted; or that of each of K labels.

        Returns
        -------
        ClassScores
            Of K classes or labels.
        """
        if confusion.ndim == 3:
            present = confusion[:, 1]
            return cls(present[:, 1], confusion[:, :, 1].sum(axis=1), present.sum(1))
        return cls(np.diagonal(confusion), confusion.sum(axis=0), confusion.sum(axis=1))

    @property
    def precision(self) -> Array:
        """Share of its predictions that are right, shape (K,); 0 without any."""
        return _ratio(self.right, self.predicted)

    @property
    def recall(self) -> Array:
        """Share of its examples that are found, shape (K,); 0 without any."""
        return _ratio(self.right, self.actual)

    @property
    def f1(self) -> Array:
        """Harmonic mean of precision and recall, shape (K,); 0 where both are."""
        return _ratio(2 * self.right, self.predicted + self.actual)

    @property
    def jaccard(self) -> Array:
        """Intersection over union, shape (K,); 0 where there is neither."""
        return _ratio(self.right, self.predicted + self.actual - self.right)

    def micro(self) -> ClassScores:
        """Return the scores of all classes' counts together, K = 1.

        Returns
        -------
        ClassScores
            Sums.
        """
        counts = (self.right, self.predicted, self.actual)
        return ClassScores(*(np.asarray([one.sum()]) for one in counts))


def _ratio(part: Array, whole: Array) -> Array:
    out = np.zeros(len(whole))
    return np.divide(part, whole, out=out, where=whole > 0)


def area_under_curve(scores: Array, is_there: Array) -> float:
    """Return the area under the ROC curve: the chance to rank a pair rightly.

    Parameters
    ----------
    scores : ndarray, shape (N,)
        The larger, the surer.
    is_there : ndarray of bool, shape (N,)
        What is true.

    Returns
    -------
    float
        From 0 to 1; ties count half.

    Raises
    ------
    DataError
        If all or none is true.

    References
    ----------
    J. Hanley, B. McNeil, The meaning and use of the area under a receiver operating
    characteristic curve, Radiology 143, 1982.
    """
    positive = int(np.count_nonzero(is_there))
    negative = len(is_there) - positive
    if not positive or not negative:
        raise DataError(
            "auc: there must be examples with and without each class or label; got "
            f"{positive} with and {negative} without one."
        )
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    total = ranks[place][is_there].sum() - positive * (positive + 1) / 2
    return float(total / (positive * negative))


def calibration_error(confidence: Array, right: Array, *, bins: int = _BINS) -> float:
    """Return how far confidence is from accuracy: the mean over bins of equal width.

    Parameters
    ----------
    confidence : ndarray, shape (N,)
        Probability of the answer, from 0 to 1.
    right : ndarray of bool, shape (N,)
        Whether it was right.
    bins : int
        Intervals of [0, 1].

    Returns
    -------
    float
        Σ over bins of their share of N times \\|mean confidence − accuracy\\|.

    References
    ----------
    C. Guo et al., On calibration of modern neural networks, ICML 2017,
    arXiv:1706.04599, equation 3.
    """
    which = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    gaps = np.bincount(which, confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(confidence), 1))


def r_squared(output: Array, labels: Array) -> float:
    """Return the coefficient of determination, the mean over columns.

    Parameters
    ----------
    output, labels : ndarray, shape (N, …)
        What was predicted, and what is true.

    Returns
    -------
    float
        1 − Σ(y − ŷ)² / Σ(y − ȳ)²; of a column that is constant 1 where it was hit
        exactly, else 0, as in scikit-learn.
    """
    truth = labels.reshape(len(labels), -1).astype(np.float64)
    rest = ((truth - output.reshape(truth.shape)) ** 2).sum(axis=0)
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    constant = np.where(rest == 0, 1.0, 0.0)
    safe = np.where(spread == 0, 1.0, spread)
    return float(np.where(spread == 0, constant, 1 - rest / safe).mean())


def confidence_interval(right: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Parameters
    ----------
    right : float
        How many of them.
    count : int
        How many there are.

    Returns
    -------
    tuple of float
        Wilson's score interval; (0, 1) of none.

    References
    ----------
    E. Wilson, Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 1927.
    """
    if not count:
        return 0.0, 1.0
    share, square = right / count, _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = share * (1 - share) / count + square / (4 * count * count)
    half = float(_Z * np.sqrt(spread) / (1 + square / count))
    return max(middle - half, 0.0), min(middle + half, 1.0)
