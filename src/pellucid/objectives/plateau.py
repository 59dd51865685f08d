"""Epochs' losses, and how often they stopped falling."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True)
class _Counter:
    """Drops counted over the first ``seen`` losses."""

    seen: int = 0
    best: float = math.inf
    stalled: int = 0
    drops: int = 0


class EpochLosses:
    """The monitored loss of each completed epoch, in order.

    Counts are kept between calls, so that each loss is looked at once per rule.

    Parameters
    ----------
    losses : iterable of float
        Those of the epochs so far.
    """

    def __init__(self, losses: Iterable[float] = ()) -> None:
        self._losses = list(losses)
        self._counters: dict[tuple[int, float], _Counter] = {}

    def append(self, loss: float) -> None:
        """Add an epoch.

        Parameters
        ----------
        loss : float
            Its monitored loss.
        """
        self._losses.append(loss)

    def drops(self, *, patience: int, threshold: float) -> int:
        """Return how many times the loss has not improved for ``patience`` epochs.

        Parameters
        ----------
        patience : int
            Epochs without improvement before a drop.
        threshold : float
            Share of the best loss by which a lower one counts as improvement.

        Returns
        -------
        int
            Drops so far.
        """
        counter = self._counters.setdefault((patience, threshold), _Counter())
        for loss in self._losses[counter.seen :]:
            counter.seen += 1
            margin = threshold * abs(counter.best)
            if counter.best == math.inf or loss < counter.best - margin:
                counter.best, counter.stalled = loss, 0
                continue
            counter.stalled += 1
            if counter.stalled >= patience:
                counter.drops, counter.stalled = counter.drops + 1, 0
        return counter.drops
