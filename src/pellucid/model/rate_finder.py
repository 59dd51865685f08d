"""Learning-rate finder: the loss while the rate grows from step to step."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.data import Augment, Batches, as_dataset
from pellucid.data.several import check_several_augment
from pellucid.engines.loss_input import require
from pellucid.errors import NetworkError
from pellucid.model.inputs import check_dataset
from pellucid.model.several_fit import as_several, several_batches
from pellucid.network.ports import has_several

if TYPE_CHECKING:
    from pellucid.model.model import Model

_SMOOTHING = 0.9  # share of the running loss that is kept
_LEAST_STEPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSearch:
    """Losses by learning rate.

    Parameters
    ----------
    rates, losses : tuple of float
        Of each step: its rate, and the loss before its update.
    smoothed : tuple of float
        The losses' exponential moving average, corrected for its start.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]

    @property
    def steepest(self) -> float:
        """Rate at which the smoothed loss falls the fastest."""
        lowest = int(np.argmin(self.smoothed))
        if lowest < 2:
            return self.rates[0]
        slopes = np.gradient(self.smoothed[: lowest + 1])
        return self.rates[int(np.argmin(slopes))]

    @property
    def lowest(self) -> float:
        """Rate at which the smoothed loss is the lowest."""
        return self.rates[int(np.argmin(self.smoothed))]

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the loss is the lowest, as the paper's rule."""
        return self.lowest / 10

    def picture(self) -> Any:
        """Return a matplotlib figure: the loss by the rate, and what is suggested.

        Returns
        -------
        matplotlib.figure.Figure
            One panel.
        """
        from matplotlib.figure import Figure

        drawing = Figure(figsize=(6, 3.8), layout="constrained")
        panel = drawing.subplots()
        panel.plot(self.rates, self.losses, color="#999999", linewidth=0.8)
        panel.plot(self.rates, self.smoothed, color="#0072b2", label="smoothed loss")
        for name, rate, colour in (
            ("a tenth of the lowest", self.suggestion, "#d55e00"),
            ("steepest", self.steepest, "#009e73"),
        ):
            label = f"{name}: {rate:.2g}"
            panel.axvline(rate, color=colour, linestyle="--", label=label)
        top = max(self.smoothed[0], *self.smoothed[: len(self.smoothed) // 2 + 1])
        low = min(self.smoothed)
        panel.set_ylim(low - 0.1 * (top - low), top + 0.3 * (top - low) + 1e-12)
        panel.set_xscale("log")
        panel.set_xlabel("learning rate")
        panel.set_ylabel("loss (nats)")
        panel.grid(alpha=0.25)
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
        return drawing

    def __str__(self) -> str:
        """Return the suggestion in words."""
        return (
            f"suggested learning rate {self.suggestion:.2g}: a tenth of "
            f"{self.lowest:.2g}, at which the loss was the lowest; it fell the fastest "
            f"at {self.steepest:.2g}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def find_learning_rate(
    model: Model,
    data: Any,
    *,
    least: float = 1e-6,
    most: float = 10.0,
    steps: int = 100,
    batch_size: int = 64,
    augment: Augment | None = None,
) -> RateSearch:
    """Train a copy for some steps while the learning rate grows, and note the loss.

    The model stays as it is. The search ends early where the smoothed loss is four
    times the lowest, or no longer finite.

    Parameters
    ----------
    model : Model
        With a loss and an optimizer, on any engine.
    data : Dataset or (images, labels)
        What it will be trained on; as in `Model.fit` with several inputs or outputs.
    least, most : float
        First and last rate; they grow by one factor from step to step.
    steps : int
        Updates, at least 10.
    batch_size : int
        Examples of one update; the rate depends on it.
    augment : Augment, optional
        As in training.

    Returns
    -------
    RateSearch
        Losses by rate, a suggestion and a picture.

    Raises
    ------
    NetworkError
        If rates do not grow, there are too few steps, or the first loss is not finite.

    References
    ----------
    L. Smith, Cyclical learning rates for training neural networks, 2015,
    arXiv:1506.01186, section 3.3.

    Examples
    --------
    >>> import pellucid as pl
    >>> network = pl.Sequential(pl.Input(2), pl.Dense(2))
    >>> model = pl.Model(network, engine="numpy", loss="mse", optimizer="sgd")
    >>> data = np.eye(2), np.eye(2)
    >>> 0 < pl.find_learning_rate(model, data, batch_size=2).suggestion < 1
    True
    """
    _check(least, most, steps)
    require("loss", model.loss)
    require("optimizer", model.optimizer)
    twin = copy.deepcopy(model)
    batches = _batches(twin, data, batch_size, augment)
    found: list[tuple[float, float, float]] = []
    running, lowest, epoch = 0.0, math.inf, 0
    with np.errstate(over="ignore", invalid="ignore"):
        while len(found) < steps:
            for batch in batches.epoch(epoch):
                done = len(found)
                rate = least * (most / least) ** (done / (steps - 1))
                loss = twin.session.train_step(
                    batch.images, batch.labels, learning_rate=rate
                ).loss
                running = _SMOOTHING * running + (1 - _SMOOTHING) * loss
                smoothed = running / (1 - _SMOOTHING ** (done + 1))
                if not math.isfinite(smoothed) or smoothed > 4 * lowest:
                    return _search(found)
                lowest = min(lowest, smoothed)
                found.append((rate, loss, smoothed))
                if len(found) == steps:
                    break
            epoch += 1
    return _search(found)


def _batches(model: Model, data: Any, size: int, augment: Augment | None) -> Batches:
    who = "find_learning_rate"
    if not has_several(model.network):
        dataset = check_dataset(as_dataset(data), who, model.network, model.loss)
        return model.batches(dataset, size, shuffle=True, augment=augment)
    several = as_several(model, data, who)
    if augment is not None:
        check_several_augment(augment, several)
    return several_batches(model, several, size, shuffle=True, augment=augment)


def _search(found: list[tuple[float, float, float]]) -> RateSearch:
    if not found:
        raise NetworkError(
            "find_learning_rate: the first loss must be finite; got one that is not. "
            "Look at the images' range and the initial weights."
        )
    rates, losses, smoothed = zip(*found, strict=True)
    return RateSearch(rates=rates, losses=losses, smoothed=smoothed)


def _check(least: float, most: float, steps: int) -> None:
    if not 0 < least < most < math.inf:
        raise NetworkError(
            "find_learning_rate: rates must grow from least above 0 to most; got "
            f"least={least}, most={most}."
        )
    if steps < _LEAST_STEPS:
        raise NetworkError(
            f"find_learning_rate: steps must be at least {_LEAST_STEPS}; "
            f"got steps={steps}."
        )
