"""This file is where a training stands: all that resuming needs beside the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pellucid.objectives import PlateauCounter
from pellucid.training.early_stopping import BestSoFar, Weights


@dataclass(slots=True)
class Position:
    """Epochs and steps done, sums of the running epoch, the best epoch, the plateau.

    ``epoch`` counts from 0; ``batch`` is the number of its batches that are done.
    ``learning_rate`` is that of the last step. ``sums`` add up loss and metrics over
    ``examples``, so that an interrupted epoch goes on with the same figures.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    examples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    learning_rate: float = 0.0
    best: BestSoFar = field(default_factory=BestSoFar)
    plateau: PlateauCounter = field(default_factory=PlateauCounter)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the best weights as plain JSON values."""
        document = asdict(self)
        document["best"].pop("weights")
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any], best: Weights) -> Position:
        """Read what `to_json` wrote."""
        values = dict(document)
        values["best"] = BestSoFar(**values["best"], weights=best)
        values["plateau"] = PlateauCounter(**values["plateau"])
        return cls(**values)

    def add(self, figures: Mapping[str, float], examples: int) -> None:
        """Add a batch's figures, each a sum over its examples."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.examples += examples
        self.batch += 1
        self.step += 1

    def means(self) -> dict[str, float]:
        """Return the running epoch's figures so far."""
        return {name: total / self.examples for name, total in self.sums.items()}

    def begin_next_epoch(self) -> None:
        """Go to the start of the next epoch."""
        self.epoch += 1
        self.batch = self.examples = 0
        self.sums, self.seconds = {}, 0.0
