"""Averages of the weights over training: EMA, SWA, Lookahead."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from pellucid.errors import NetworkError
from pellucid.network.checks import is_int
from pellucid.training.early_stopping import Weights


@dataclass(frozen=True, kw_only=True)
class WeightAverage:
    """Describe which weights are validated and kept instead of the last ones.

    Parameters
    ----------
    reestimate : bool
        Whether batch norms' running statistics are computed anew from the training
        images, with the averaged weights; else they are averaged as weights are.
    """

    reestimate: bool = False

    name: ClassVar[str] = ""
    #: whether the weights before the first step are the first of the average
    begins_at_once: ClassVar[bool] = False
    #: whether training goes on from the average
    replaces: ClassVar[bool] = False

    def takes_step(self, step: int) -> bool:
        """Return whether the weights after a step, counted from 1, are taken in.

        Parameters
        ----------
        step : int
            Number of the update.

        Returns
        -------
        bool
            False for averages over epochs.
        """
        del step
        return False

    def takes_epoch(self, epoch: int, epochs: int) -> bool:
        """Return whether the weights after an epoch, counted from 1, are taken in.

        Parameters
        ----------
        epoch, epochs : int
            Number of the epoch, and of all.

        Returns
        -------
        bool
            False for averages over steps.
        """
        del epoch, epochs
        return False

    def share(self, taken: int, done: float = 1.0) -> float:
        """Return what the new weights count beside the average.

        Parameters
        ----------
        taken : int
            How many weights the average holds, at least 1.
        done : float
            The share of all steps that are done, from 0 to 1.

        Returns
        -------
        float
            From 0 to 1.
        """
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """Return the description as plain JSON values.

        Returns
        -------
        dict
            ``name`` and the fields that are given; `average_from_json` reads it.
        """
        given = dataclasses.asdict(self)
        return {"name": self.name} | {k: v for k, v in given.items() if v is not None}


@dataclass(frozen=True, kw_only=True)
class _OverSteps(WeightAverage):
    """Take in the weights after each ``every``-th step."""

    every: int = 1

    def takes_step(self, step: int) -> bool:
        """Return whether ``every`` divides the step."""
        return step % self.every == 0


@dataclass(frozen=True, kw_only=True)
class EMA(_OverSteps):
    """Exponential moving average: ``a ← decay · a + (1 − decay) · w``.

    Parameters
    ----------
    decay : float
        Share of the average that is kept, from 0 to less than 1.
    every : int
        Steps between two weights that are taken in, at least 1.
    reestimate : bool
        As in `WeightAverage`.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    Notes
    -----
    The first weights that are taken in are the first average, as in PyTorch's
    ``AveragedModel``.

    References
    ----------
    B. Polyak, A. Juditsky, Acceleration of stochastic approximation by averaging, SIAM
    Journal on Control and Optimization 30, 1992.
    """

    decay: float = 0.999

    name: ClassVar[str] = "ema"

    def __post_init__(self) -> None:
        _check_every(self, self.every)
        if not 0 <= self.decay < 1:
            raise NetworkError(
                f"EMA: decay must be from 0 to less than 1; got decay={self.decay}."
            )

    def share(self, taken: int, done: float = 1.0) -> float:
        """Return ``1 − decay``."""
        del taken
        return 1 - self.decay


@dataclass(frozen=True, kw_only=True)
class SWA(WeightAverage):
    """Stochastic weight averaging: the mean of the last epochs' weights.

    Parameters
    ----------
    start : float
        Share of the epochs before the first that is taken in, from 0 to less than 1.
    every : int
        Epochs between two weights that are taken in, at least 1.
    reestimate : bool
        As in `WeightAverage`.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    P. Izmailov et al., Averaging weights leads to wider optima and better
    generalization, UAI 2018, arXiv:1803.05407, algorithm 1.
    """

    start: float = 0.75
    every: int = 1
    reestimate: bool = True

    name: ClassVar[str] = "swa"

    def __post_init__(self) -> None:
        _check_every(self, self.every)
        if not 0 <= self.start < 1:
            raise NetworkError(
                f"SWA: start must be from 0 to less than 1; got start={self.start}."
            )

    def takes_epoch(self, epoch: int, epochs: int) -> bool:
        """Return whether the epoch is late enough, counted back from the last."""
        return epoch > self.start * epochs and (epochs - epoch) % self.every == 0

    def share(self, taken: int, done: float = 1.0) -> float:
        """Return ``1 / (taken + 1)``."""
        return 1 / (taken + 1)


@dataclass(frozen=True, kw_only=True)
class Lookahead(_OverSteps):
    """Go back part of the way after some steps: ``s ← s + rate (w − s)``, ``w ← s``.

    Parameters
    ----------
    every : int
        k, the steps of the fast weights, at least 1.
    rate : float
        α, above 0 and at most 1.
    last_rate : float, optional
        α at the last step. With t from 0 to 1 over all steps α then is
        ``rate + (last_rate − rate) t³``: training moves fast at first and averages
        strongly in the end (Jordan 2024). As ``rate`` if left out.
    reestimate : bool
        As in `WeightAverage`.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    Notes
    -----
    Steps after the last multiple of ``every`` are not taken in: a training of fewer
    steps ends with the weights that it began with.

    References
    ----------
    M. Zhang, J. Lucas, G. Hinton, J. Ba, Lookahead optimizer: k steps forward, 1 step
    back, NeurIPS 2019, arXiv:1907.08610, algorithm 1.
    K. Jordan, 94% on CIFAR-10 in 3.29 seconds on a single GPU, arXiv:2404.00498, 2024,
    section 3.4.
    """

    every: int = 5
    rate: float = 0.5
    last_rate: float | None = None

    name: ClassVar[str] = "lookahead"
    begins_at_once: ClassVar[bool] = True
    replaces: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_every(self, self.every)
        for name in ("rate", "last_rate"):
            value = getattr(self, name)
            if not (value is None and name == "last_rate") and not 0 < value <= 1:
                raise NetworkError(
                    f"Lookahead: {name} must be above 0 and at most 1; "
                    f"got {name}={value}."
                )

    def share(self, taken: int, done: float = 1.0) -> float:
        """Return α."""
        del taken
        last = self.rate if self.last_rate is None else self.last_rate
        return self.rate + (last - self.rate) * done**3


AVERAGES: dict[str, type[WeightAverage]] = {
    kind.name: kind for kind in (EMA, SWA, Lookahead)
}


def as_average(given: Any) -> WeightAverage | None:
    """Return the average that a name stands for, with its defaults.

    Parameters
    ----------
    given : str, WeightAverage or None
        ``"ema"``, ``"swa"``, ``"lookahead"``, or an object.

    Returns
    -------
    WeightAverage or None
        None if None is given.

    Raises
    ------
    NetworkError
        If there is none of that name.
    """
    if given is None or isinstance(given, WeightAverage):
        return given
    if not isinstance(given, str) or given not in AVERAGES:
        raise NetworkError(
            f"average: must be one of {', '.join(AVERAGES)}, or an EMA, SWA or "
            f"Lookahead; got {given!r}."
        )
    return AVERAGES[given]()


def average_from_json(document: Mapping[str, Any] | None) -> WeightAverage | None:
    """Read what `WeightAverage.to_json` wrote.

    Parameters
    ----------
    document : mapping or None
        ``name`` and fields.

    Returns
    -------
    WeightAverage or None
        An equal one.

    Raises
    ------
    NetworkError
        If the name is unknown, or a field is not the average's.
    """
    if not document:
        return None
    arguments = dict(document)
    named = as_average(arguments.pop("name", None) or "")
    try:
        return dataclasses.replace(named, **arguments)  # type: ignore[type-var]
    except TypeError as error:
        raise NetworkError(
            f"average '{document['name']}': arguments must be its own; got {error}."
        ) from error


def move_towards(average: Weights, weights: Weights, share: float) -> None:
    """Move an average's arrays in place: ``a ← a + share · (w − a)``.

    Parameters
    ----------
    average, weights : dict of str to ndarray
        Of the same names; arrays of integers are taken over.
    share : float
        From 0 to 1.
    """
    for name, array in weights.items():
        mine = average[name]
        if mine.dtype.kind == "f":
            mine += np.asarray(share, mine.dtype) * (array - mine)
        else:
            mine[...] = array


def _check_every(average: Any, every: int) -> None:
    if not is_int(every) or every < 1:
        raise NetworkError(
            f"{type(average).__name__}: every must be an int of at least 1; "
            f"got every={every!r}."
        )
