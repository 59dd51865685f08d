"""State of the trainer: all that resuming needs beside the session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pellucid.training.early_stopping import BestSoFar, Weights


@dataclass(slots=True)
class TrainerState:
    """Where a training stands.

    Parameters
    ----------
    epoch : int
        Number of the running epoch, from 0.
    batch : int
        Completed batches of that epoch.
    step : int
        Completed updates.
    examples : int
        Examples of the running epoch so far.
    sums : dict of str to float
        Sums of the metrics over these examples, and of the loss over their weights.
    seconds : float
        Time trained so far.
    learning_rate : float
        Of the last step.
    best : BestSoFar
        Best epoch and its weights.
    weight : float
        Sum of the examples' weights in the running epoch.
    first_epoch : int
        Epochs that the model was trained before; order and augmentation continue.
    data : dict of str to str
        Fingerprint of the examples, by which a resumed run recognizes them.
    average : dict of str to ndarray
        Averaged weights, where the training averages.
    averaged : int
        How many weights were taken into them.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    examples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    learning_rate: float = 0.0
    best: BestSoFar = field(default_factory=BestSoFar)
    weight: float = 0.0
    first_epoch: int = 0
    data: dict[str, str] = field(default_factory=dict)
    average: Weights = field(default_factory=dict)
    averaged: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return everything but weights as plain JSON values.

        Returns
        -------
        dict
            Numbers, strings, lists and dicts only.
        """
        best = replace(self.best, weights={})
        document = asdict(replace(self, best=best, average={}))
        document["best"].pop("weights")
        document.pop("average")
        return document

    @classmethod
    def from_json(
        cls, document: Mapping[str, Any], best: Weights, average: Weights
    ) -> TrainerState:
        """Read what `to_json` wrote.

        Parameters
        ----------
        document : mapping
            Parsed JSON.
        best : mapping of str to ndarray
            Weights of the best epoch.
        average : mapping of str to ndarray
            Averaged weights.

        Returns
        -------
        TrainerState
            An equal one.
        """
        values = dict(document)
        values.pop("plateau", None)  # of version 0.1: the history says the same
        values.setdefault("weight", float(values.get("examples", 0)))
        values["best"] = BestSoFar(**values["best"], weights=best)
        return cls(**values, average=average)

    @property
    def epochs_begun(self) -> int:
        """Epochs that the model has seen something of, in this training or before."""
        return self.first_epoch + self.epoch + (self.batch > 0)

    def add(
        self, figures: Mapping[str, float], examples: int, *, weight: float
    ) -> None:
        """Add a batch's figures: sums over its examples, of the loss over weights.

        Parameters
        ----------
        figures : mapping of str to float
            Sums over the batch.
        examples : int
            Size of the batch.
        weight : float
            Sum of its examples' weights.
        """
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.examples += examples
        self.weight += weight
        self.batch += 1
        self.step += 1

    def means(self) -> dict[str, float]:
        """Return the running epoch's figures so far.

        Returns
        -------
        dict of str to float
            Loss and metrics.
        """
        counts = {"loss": self.weight}
        return {
            name: total / (counts.get(name, self.examples) or 1.0)
            for name, total in self.sums.items()
        }

    def begin_next_epoch(self) -> None:
        """Go to the start of the next epoch."""
        self.epoch += 1
        self.batch = self.examples = 0
        self.sums, self.seconds, self.weight = {}, 0.0, 0.0
