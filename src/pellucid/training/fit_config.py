"""Settings of a training: everything but the network, the data and the machine."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.data import Augment, Sampler
from pellucid.errors import NetworkError
from pellucid.network.checks import is_int
from pellucid.objectives import ConstantRate, Metrics, Schedule
from pellucid.training.class_weight import ClassWeight
from pellucid.training.early_stopping import EarlyStopping
from pellucid.training.weight_average import WeightAverage


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """The settings that `Model.fit`, a recipe and the trainer share.

    Parameters
    ----------
    epochs : int
        Passes over the data, at least 0.
    batch_size : int
        Examples of one update.
    validation_split : float
        Share of each class that is held out, 0 ≤ share < 1.
    schedule : Schedule
        Factor of the learning rate for every step.
    metrics : sequence of str or function, optional
        Names of metrics, or functions as in `MetricFunction`; those that suit the
        output, if left out.
    class_weight : mapping, sequence, array or "balanced", optional
        Weight of each class's examples in the loss.
    clip_norm : float, optional
        Largest common Euclidean norm of all gradients, above 0.
    augment : Augment, optional
        Random changes of the images.
    shuffle : bool
        Whether each epoch has an order of its own.
    early_stopping : EarlyStopping, optional
        When to end.
    average : WeightAverage, optional
        `EMA`, `SWA` or `Lookahead`: which weights are validated and kept.
    accumulate : int
        Parts in which a batch's gradient is computed, at least 1.
    sampler : "balanced" or sequence of float, optional
        Epochs draw examples with replacement: from each class as often, or each
        example as often as its weight says; each once if left out.

    Raises
    ------
    NetworkError
        If epochs is no int of at least 0, accumulate none of at least 1, or clip_norm
        is not positive.
    """

    epochs: int = 1
    batch_size: int = 64
    validation_split: float = 0.0
    schedule: Schedule = ConstantRate()  # noqa: RUF009 - it is frozen
    metrics: Metrics | None = None
    class_weight: ClassWeight | None = None
    clip_norm: float | None = None
    augment: Augment | None = None
    shuffle: bool = True
    early_stopping: EarlyStopping | None = None
    average: WeightAverage | None = None
    accumulate: int = 1
    sampler: Sampler | None = None

    def __post_init__(self) -> None:
        if not is_int(self.epochs) or self.epochs < 0:
            raise NetworkError(
                f"fit: epochs must be an int of at least 0; got epochs={self.epochs!r}."
            )
        if not is_int(self.accumulate) or self.accumulate < 1:
            raise NetworkError(
                "fit: accumulate must be an int of at least 1; "
                f"got accumulate={self.accumulate!r}."
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise NetworkError(
                f"fit: clip_norm must be positive; got clip_norm={self.clip_norm}."
            )
