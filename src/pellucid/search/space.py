"""What is searched: a range or a list of values for each setting."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pellucid.errors import RunError
from pellucid.recipes import parse_setting

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

#: names as the options of `pellucid train` have them → keys of a recipe
_SHORT = {
    "learning_rate": "optimizer.learning_rate",
    "momentum": "optimizer.momentum",
    "optimizer": "optimizer.name",
    "schedule": "schedule.name",
    "weight_decay": "optimizer.weight_decay",
}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?::({_NUMBER}))?")
#: what begins or ends as a range does, and is none
_MEANT_AS_RANGE = re.compile(rf"{_NUMBER}\.\.(?!/).*|.*\.\.{_NUMBER}(?::.*)?")
#: settings whose values are floats, also where a range's ends are integers
_FLOATS = re.compile(
    r"optimizer\..+|clip_norm|validation_split|loss\.label_smoothing|.+\.rate"
)
_DECADES = 50  # a float range this wide, as high / low, is searched by orders


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, both included.

    Parameters
    ----------
    low, high : int or float
        Integers where both are; else floats.
    step : int or float, optional
        Distance of the values from one to the next.
    """

    low: float
    high: float
    step: float | None = None

    def __post_init__(self) -> None:
        ends = (self.low, self.high, 0 if self.step is None else self.step)
        if not all(math.isfinite(end) for end in ends):
            raise RunError(f"search: a range must have finite ends; got {self}.")
        if self.low >= self.high:
            raise RunError(
                f"search: a range must rise, as in 8..64; got {self.low}..{self.high}."
            )
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise RunError(
                "search: a range's step must be more than 0 and within it; got "
                f"{self.low}..{self.high}:{self.step}."
            )

    @property
    def is_integer(self) -> bool:
        """Whether all of its values are integers."""
        ends = (self.low, self.high, 1 if self.step is None else self.step)
        return all(isinstance(end, int) for end in ends)

    @property
    def is_logarithmic(self) -> bool:
        """Whether orders of magnitude are equally likely, rather than values."""
        is_wide = self.low > 0 and self.high / self.low >= _DECADES
        return self.step is None and not self.is_integer and is_wide

    def suggest(self, trial: BaseTrial, key: str) -> float:
        """Return the value that Optuna chooses."""
        if self.is_integer:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(key, int(self.low), int(self.last), step=step)
        return trial.suggest_float(
            key, self.low, self.last, step=self.step, log=self.is_logarithmic
        )

    @property
    def last(self) -> float:
        """The largest value: ``high``, if steps from ``low`` lead to it."""
        if self.step is None:
            return self.high
        low, high, step = (Decimal(str(x)) for x in (self.low, self.high, self.step))
        value = low + (high - low) // step * step
        return int(value) if self.is_integer else float(value)

    def values(self) -> list[Any]:
        """Return all values of a range with steps.

        Raises
        ------
        RunError
            If there is no step, and the range is none of integers.
        """
        step = 1 if self.is_integer and self.step is None else self.step
        if step is None:
            raise RunError(
                "search: a grid must have lists, or ranges with a step as in "
                f"0.1..0.5:0.1; got {self.low}..{self.high}."
            )
        count = round((self.last - self.low) / step) + 1
        return [self.low + i * step for i in range(count)]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values.

    Parameters
    ----------
    options : tuple
        Numbers, texts or booleans, at least two and each once.
    """

    options: tuple[Any, ...]

    def __post_init__(self) -> None:
        if len(self.options) < 2 or len(set(self.options)) < len(self.options):
            raise RunError(
                "search: a list must have at least two values, each once; got "
                f"{', '.join(map(str, self.options))}."
            )

    def suggest(self, trial: BaseTrial, key: str) -> Any:
        """Return the value that Optuna chooses."""
        return trial.suggest_categorical(key, self.options)

    def values(self) -> list[Any]:
        """Return all values."""
        return list(self.options)


Parameter = Range | Choice
Space = Mapping[str, Parameter]


def parse_space(texts: Iterable[str]) -> tuple[dict[str, Parameter], dict[str, Any]]:
    """Read ``key=low..high``, ``key=a,b,c`` and ``key=value``.

    Parameters
    ----------
    texts : iterable of str
        As typed after ``--set``.

    Returns
    -------
    tuple of dict
        What is searched, and what is fixed, by key of the recipe.

    Raises
    ------
    RunError
        If a text is none of these, a key is given twice, or a range makes no sense.

    Examples
    --------
    >>> parse_space(["conv2d.out_channels=8..64", "learning_rate=1e-4..1e-2"])[0]
    ... # doctest: +NORMALIZE_WHITESPACE
    {'conv2d.out_channels': Range(low=8, high=64, step=None),
     'optimizer.learning_rate': Range(low=0.0001, high=0.01, step=None)}
    >>> parse_space(["optimizer=adam,sgd", "epochs=3"])
    ({'optimizer.name': Choice(options=('adam', 'sgd'))}, {'epochs': 3})
    """
    searched: dict[str, Parameter] = {}
    fixed: dict[str, Any] = {}
    for text in texts:
        key, _, value = (part.strip() for part in text.partition("="))
        name = _SHORT.get(key, key)
        if name in searched or name in fixed:
            raise RunError(f"search: {name} must be given once; got it twice.")
        found = _RANGE.fullmatch(value)
        if found:
            read = float if _FLOATS.fullmatch(name) else _number
            searched[name] = Range(*(read(part) for part in found.groups() if part))
        elif _MEANT_AS_RANGE.fullmatch(value):
            raise RunError(
                "search: a range must be low..high or low..high:step with numbers, as "
                f"in 8..64; got {key}={value}."
            )
        elif "," in value and value[:1] not in "[{\"'":
            options = (parse_setting(f"{key}={part}")[1] for part in value.split(","))
            searched[name] = Choice(tuple(options))
        else:
            fixed[name] = parse_setting(text)[1]
    return searched, fixed


def _number(text: str) -> float:
    return int(text) if re.fullmatch(r"[-+]?\d+", text) else float(text)
