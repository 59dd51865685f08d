"""Learning-rate schedules: a factor for every step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.objectives.cyclic import Cyclic
from pellucid.objectives.falling_rates import InverseTime, Polynomial
from pellucid.objectives.schedule import Progress, Schedule


@dataclass(frozen=True)
class ConstantRate(Schedule):
    """Keep the learning rate."""

    name: ClassVar[str] = "constant"

    def factor(self, at: Progress) -> float:
        """Return 1."""
        del at
        return 1.0


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the learning rate by ``gamma`` every ``every`` epochs.

    Parameters
    ----------
    every : int
        Epochs between drops, at least 1.
    gamma : float
        Factor of a drop, positive.

    Raises
    ------
    NetworkError
        If a number is out of its range.
    """

    every: int = 10
    gamma: float = 0.1

    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.every < 1 or self.gamma <= 0:
            raise NetworkError(
                "StepDecay: every must be at least 1 and gamma positive; "
                f"got every={self.every}, gamma={self.gamma}."
            )

    def factor(self, at: Progress) -> float:
        """Return ``gamma ** (epoch // every)``."""
        return float(self.gamma ** (at.epoch // self.every))


@dataclass(frozen=True)
class Cosine(Schedule):
    """Decrease along half a cosine from 1 to ``floor``.

    Parameters
    ----------
    floor : float
        Factor at the end, from 0 to 1.

    Raises
    ------
    NetworkError
        If it is out of its range.

    References
    ----------
    I. Loshchilov, F. Hutter, SGDR, ICLR 2017, arXiv:1608.03983 (without restarts).
    """

    floor: float = 0.0

    name: ClassVar[str] = "cosine"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.floor <= 1:
            raise NetworkError(
                f"Cosine: floor must be from 0 to 1; got floor={self.floor}."
            )

    def factor(self, at: Progress) -> float:
        """Return ``floor + (1 − floor)(1 + cos(π · step / steps)) / 2``."""
        fraction = min(at.step / max(at.steps, 1), 1.0)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * fraction)) / 2


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Rise to the full learning rate, then fall far below it.

    From ``1 / start`` in the first step up to 1 in step ``warm_up · steps``, down to
    ``1 / end`` in the last, both along half cosines. It is PyTorch's OneCycleLR, whose
    ``final_div_factor`` is ``end / start``.

    Parameters
    ----------
    warm_up : float
        Share of the steps with a rising rate, between 0 and 1.
    start, end : float
        Divisors of the rate at the start and at the end, at least 1.

    Raises
    ------
    NetworkError
        If a number is out of its range.

    References
    ----------
    L. Smith, N. Topin, Super-convergence, 2018, arXiv:1708.07120.
    """

    warm_up: float = 0.3
    start: float = 25.0
    end: float = 1e4

    name: ClassVar[str] = "one_cycle"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.warm_up < 1 or self.start < 1 or self.end < 1:
            raise NetworkError(
                "OneCycle: warm_up must be between 0 and 1, start and end at least 1; "
                f"got warm_up={self.warm_up}, start={self.start}, end={self.end}."
            )

    def factor(self, at: Progress) -> float:
        """Return the factor on the rise or on the fall."""
        peak = self.warm_up * at.steps - 1  # steps are counted from 0
        if at.step < peak:
            return _between(1 / self.start, 1.0, at.step / peak)
        rest = max(at.steps - 1 - peak, 1e-12)
        return _between(1.0, 1 / self.end, min((at.step - peak) / rest, 1.0))


def _between(first: float, last: float, fraction: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * fraction)) / 2


@dataclass(frozen=True)
class WarmUp(Schedule):
    """Rise linearly over the first ``steps`` steps, then follow another schedule.

    Parameters
    ----------
    steps : int
        Length of the rise, at least 1.
    then : Schedule, str or function
        What follows, and is multiplied by the rise; as in `Model.fit`.
    start : float
        The factor before the first step, from 0 to less than 1.

    Raises
    ------
    NetworkError
        If a number is out of its range, or there is no such schedule.
    """

    steps: int = 100
    then: Schedule = field(default_factory=ConstantRate)
    start: float = 0.0

    name: ClassVar[str] = "warm_up"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "then", as_schedule(self.then))
        if self.steps < 1:
            raise NetworkError(
                f"WarmUp: steps must be at least 1; got steps={self.steps}."
            )
        if not 0 <= self.start < 1:
            raise NetworkError(
                f"WarmUp: start must be from 0 to less than 1; got start={self.start}."
            )

    def factor(self, at: Progress) -> float:
        """Return a share of the schedule's factor, from ``start`` to all of it.

        After ``step + 1`` of ``steps`` steps: PyTorch's LinearLR, but its first step,
        which is without a rise, is left out.
        """
        risen = min((at.step + 1) / self.steps, 1.0)
        return (self.start + (1 - self.start) * risen) * self.then.factor(at)


@dataclass(frozen=True)
class OnPlateau(Schedule):
    """Multiply by ``gamma`` where the loss has not improved for ``patience`` epochs.

    The monitored loss is val_loss where there is validation data, else loss. Drops are
    counted from the losses of the completed epochs, so a resumed run continues alike,
    wherever in a composed schedule this one stands. A drop comes with the
    ``patience``-th such epoch as in Keras; PyTorch's ReduceLROnPlateau waits for one
    more.

    Parameters
    ----------
    patience : int
        Epochs without improvement before a drop, at least 1.
    gamma : float
        Factor of a drop, between 0 and 1.
    threshold : float
        Share of the best loss by which a lower one counts as improvement.

    Raises
    ------
    NetworkError
        If a number is out of its range.
    """

    patience: int = 3
    gamma: float = 0.5
    threshold: float = 1e-4

    name: ClassVar[str] = "on_plateau"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patience < 1 or not 0 < self.gamma < 1 or self.threshold < 0:
            raise NetworkError(
                "OnPlateau: patience must be at least 1, gamma between 0 and 1 and "
                f"threshold at least 0; got patience={self.patience}, "
                f"gamma={self.gamma}, threshold={self.threshold}."
            )

    def factor(self, at: Progress) -> float:
        """Return ``gamma ** drops``."""
        drops = at.losses.drops(patience=self.patience, threshold=self.threshold)
        return float(self.gamma**drops)


SCHEDULES: dict[str, type[Schedule]] = {
    kind.name: kind
    for kind in (
        ConstantRate,
        StepDecay,
        Cosine,
        OneCycle,
        WarmUp,
        OnPlateau,
        InverseTime,
        Polynomial,
        Cyclic,
    )
}


def as_schedule(schedule: str | Schedule | Callable[..., float] | None) -> Schedule:
    """Return the schedule that a name or function stands for.

    Parameters
    ----------
    schedule : str, Schedule, function or None
        A name gives the schedule's defaults; of a function see `RateFunction`; None is
        a constant rate.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    NetworkError
        If there is none of that name, or it is a class or something else.
    """
    if schedule is None:
        return ConstantRate()
    if isinstance(schedule, Schedule):
        return schedule
    if callable(schedule) and not isinstance(schedule, type):
        from pellucid.objectives.rate_function import RateFunction

        return RateFunction(schedule)
    if not isinstance(schedule, str) or schedule not in SCHEDULES:
        raise NetworkError(
            f"schedule: must be one of {', '.join(SCHEDULES)}, a Schedule or a "
            f"function of the epoch; got {schedule!r}."
        )
    return SCHEDULES[schedule]()


def schedule_from_json(document: Mapping[str, Any]) -> Schedule:
    """Read what `Schedule.to_json` wrote.

    Parameters
    ----------
    document : mapping
        ``name`` and fields.

    Returns
    -------
    Schedule
        An equal one.

    Raises
    ------
    NetworkError
        If the name is unknown, a field is not the schedule's, or it was a function.
    """
    arguments = dict(document)
    name = arguments.pop("name", None)
    if name == "function":
        raise NetworkError(
            "schedule: must be given again, for it is a function of the program that "
            f"trained; got {arguments.get('function')!r}. Go on in Python, with "
            "Model.fit(schedule=…, resume=True)."
        )
    if name not in SCHEDULES:
        raise NetworkError(
            f"schedule: name must be one of {', '.join(SCHEDULES)}; got {name!r}."
        )
    if isinstance(arguments.get("then"), Mapping):
        arguments["then"] = schedule_from_json(arguments["then"])
    try:
        return SCHEDULES[name](**arguments)
    except TypeError as error:
        raise NetworkError(
            f"schedule '{name}': arguments must be its own; got {error}."
        ) from error
