"""Weights of the examples' losses, and their sum."""

from __future__ import annotations

import numpy as np

from pellucid.engines.compiled.program.program import MOST_SIZES, address
from pellucid.engines.distributed import BatchShard
from pellucid.engines.ports import LossTerm
from pellucid.engines.protocol import Array
from pellucid.errors import DataError
from pellucid.network import Network
from pellucid.objectives import (
    CrossEntropy,
    FormulaLoss,
    HalfSquaredErrorSum,
    NumpyLoss,
    check_labels,
)


class LossReduction:
    """What each example's loss counts, and room for what one step reads and gives.

    Arrays that are there for good have addresses that need not be asked for.
    """

    def __init__(self, weights: Array, head: tuple[int, ...], term: LossTerm) -> None:
        count = len(weights)
        self.classes = np.zeros((count, *head[:-1]), np.int64)
        self._factors = weights.astype(np.float64)
        self._weights = weights
        if term.weight != 1:  # in the derivative; the loss is told without it
            self._weights = np.asarray(weights * term.weight, np.float32)
        self._losses, self._exact = np.zeros(count, np.float32), np.zeros(count)
        self.places = {
            "classes": address(self.classes),
            "example_weight": address(self._weights),
            "losses": address(self._losses),
        }

    def total(self) -> float:
        """Return the sum of the losses, each times its weight."""
        self._exact[:] = self._losses
        return float(self._exact.dot(self._factors))


class LossReductions:
    """A loss's tallies, kept for batches whose examples weigh the same."""

    def __init__(
        self, network: Network, term: LossTerm, *, divides_by_count: bool = False
    ) -> None:
        self.term, loss = term, term.loss
        #: … not by the weights' sum
        self._divides_by_count = divides_by_count
        self._loss = loss
        self._head = network.shapes[term.node]
        self._even: dict[int, LossReduction] = {}
        #: what the sum of the losses is multiplied by
        self.scale = 0.5 if isinstance(loss, HalfSquaredErrorSum) else 1.0
        # the mean of one example's loss goes over so many numbers
        is_classes = isinstance(loss, CrossEntropy)
        self._positions = int(np.prod(self._head[:-1] if is_classes else self._head))
        if isinstance(loss, FormulaLoss | NumpyLoss):
            # it makes the mean of an example itself
            self._positions = 1

    def of(
        self, count: int, given: Array | None, part: BatchShard | None
    ) -> LossReduction:
        """Return the tally of a batch, or of a process's part of one."""
        if given is None and part is not None:
            given = np.ones(count, np.float32)
        if given is not None:
            total = float(count) if self._divides_by_count else None
            return self._new(self._shared_out(given, part.total if part else total))
        if count not in self._even:
            if len(self._even) >= MOST_SIZES:
                self._even.clear()
            is_sum = isinstance(self._loss, HalfSquaredErrorSum)
            each = 1.0 if is_sum else 1 / (count * self._positions)
            self._even[count] = self._new(np.full(count, each, np.float32))
        return self._even[count]

    def _new(self, weights: Array) -> LossReduction:
        return LossReduction(weights, self._head, self.term)

    def _shared_out(self, given: Array, total: float | None) -> Array:
        """Return what each example's loss counts, its positions shared out.

        ``total`` is what the weights of the global batch add up to.
        """
        if isinstance(self._loss, HalfSquaredErrorSum):
            return np.ascontiguousarray(given, np.float32)
        w: Array = np.asarray(given, np.float64)
        whole = w.sum() if total is None else total
        return np.asarray(w / (whole * self._positions), np.float32)

    def targets(self, labels: Array, tally: LossReduction) -> dict[str, Array]:
        """Keep classes; return labels of any other kind as the kernels want them."""
        loss, labels = self._loss, np.asarray(labels)
        shape = (len(tally.classes), *self._head)
        if isinstance(loss, NumpyLoss):
            return {}
        if isinstance(loss, FormulaLoss):
            checked = loss.check_labels(labels, shape)
            arranged = loss.arrange_labels(checked, shape, np.float32)
            return {"targets": np.ascontiguousarray(arranged)}
        if isinstance(loss, CrossEntropy) and labels.shape == shape[:-1]:
            if labels.dtype.kind in "iu":
                tally.classes[...] = labels
                return {}
        elif labels.size == np.prod(shape) and len(labels) == shape[0]:
            return {"targets": np.ascontiguousarray(labels, np.float32)}
        check_labels(loss, labels, shape)
        raise DataError(f"{loss.name}: labels must fit the output; got {labels.shape}.")
