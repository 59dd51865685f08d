"""Losses of all outputs of a batch, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from pellucid.engines.distributed import BatchShard
from pellucid.engines.numpy.layers import Forward
from pellucid.engines.ports import LossTerm, labels_of, sample_weights_of
from pellucid.engines.protocol import Array, Arrays
from pellucid.network import Network
from pellucid.objectives.built_in import value_and_grad
from pellucid.objectives.loss import total_weight


class TargetBatch(NamedTuple):
    """What a batch is trained towards: terms of the loss, labels, examples' weights."""

    terms: tuple[LossTerm, ...]
    labels: tuple[Any, ...]
    weights: tuple[Any, ...]

    @classmethod
    def of(
        cls,
        network: Network,
        terms: tuple[LossTerm, ...],
        labels: Arrays,
        sample_weight: Arrays | None,
    ) -> Self:
        """Return a batch of labels and weights as a session takes them."""
        given = labels_of(network, labels)
        return cls(terms, given, sample_weights_of(network, sample_weight))

    @property
    def names(self) -> list[str]:
        """The outputs that have a loss."""
        return [term.output for term in self.terms]

    def losses(
        self,
        records: Mapping[str, Forward],
        few: slice,
        part: BatchShard | None,
        count: int,
    ) -> Iterator[tuple[LossTerm, float, Array]]:
        """Yield each term with its loss and its weight times the loss's gradient.

        Of the examples ``few``, whose shares of the batch's loss add up.
        """
        for term in self.terms:
            labels, weight = self.labels[term.index], self.weights[term.index]
            total = part.total if part else total_weight(count, weight)
            value, grad = value_and_grad(
                term.loss,
                records[term.node].output,
                labels[few],
                None if weight is None else weight[few],
                total=total,
            )
            yield term, value, grad if term.weight == 1 else grad * term.weight
