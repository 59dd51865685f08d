"""A learning-rate schedule that is a function of the caller's."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pellucid.errors import NetworkError
from pellucid.objectives.schedule import Progress, Schedule


@dataclass(frozen=True)
class RateFunction(Schedule):
    """Ask a function for the learning rate.

    Parameters
    ----------
    function : callable
        ``function(epoch)``, called once an epoch with its number from 0;
        ``function(epoch, rate)``, with the last epoch's rate too (at first the
        optimizer's); or ``function(step)``, its parameter being called ``step``,
        before each update. Returns the learning rate.

    Examples
    --------
    >>> halving = RateFunction(lambda epoch: 0.1 * 0.5**epoch)
    >>> halving.rate(Progress(step=9, steps=10, epoch=2, steps_per_epoch=4))
    0.025
    """

    function: Callable[..., float]
    _arguments: tuple[str, ...] = field(init=False, compare=False, repr=False)
    #: arguments and rate of the last call: a function is asked once an epoch
    _last: dict[tuple[float, ...], float] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    name: ClassVar[str] = "function"

    def __post_init__(self) -> None:
        object.__setattr__(self, "_arguments", _arguments(self.function))

    def rate(self, at: Progress) -> float:
        """Return what the function returns.

        Raises
        ------
        NetworkError
            If that is no finite number of at least 0.
        """
        known = {"step": at.step, "epoch": at.epoch, "rate": at.last_rate}
        given = tuple(known[name] for name in self._arguments)
        if given not in self._last:
            value = _checked(self.function(*given), self)
            self._last.clear()
            self._last[given] = value
        return self._last[given]

    def factor(self, at: Progress) -> float:
        """Return the function's rate in units of the optimizer's."""
        if not at.base_rate:
            raise NetworkError(
                f"schedule: the optimizer's learning_rate must be positive where "
                f"another schedule follows {self.label}; got learning_rate=0."
            )
        return self.rate(at) / at.base_rate

    @property
    def label(self) -> str:
        """The function's name, with its module."""
        function = self.function
        name = getattr(function, "__qualname__", type(function).__qualname__)
        return f"{getattr(function, '__module__', '')}.{name}".lstrip(".")

    def to_json(self) -> dict[str, Any]:
        """Return the function's name; the function itself has to be given again."""
        return {"name": self.name, "function": self.label}


def _arguments(function: Callable[..., float]) -> tuple[str, ...]:
    """Return what a function is called with: step, or epoch, or epoch and rate."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # built in: it does not say
        return ("epoch",)
    places = [p for p in parameters if p.kind in _POSITIONAL]
    needed = [p for p in places if p.default is p.empty]
    others = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    takes_all = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    is_wrong = len(needed) > 2 or any(p.default is p.empty for p in others)
    if is_wrong or not (places or takes_all):
        raise NetworkError(
            "schedule: a function must take (epoch), (epoch, rate) or (step); "
            f"got ({', '.join(p.name for p in parameters)})."
        )
    if places and places[0].name == "step":
        return ("step",)
    return ("epoch", "rate") if len(needed) == 2 else ("epoch",)


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)


def _checked(value: Any, schedule: RateFunction) -> float:
    try:
        rate = float(value)
    except (TypeError, ValueError):
        rate = math.nan
    if not math.isfinite(rate) or rate < 0:
        raise NetworkError(
            f"schedule: {schedule.label} must return a learning rate, a finite number "
            f"of at least 0; got {value!r}."
        )
    return rate
