"""Measurement: one value with unit, spread and runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

from pellucid.benchmark.statistics import Spread

Value = float | int | str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One thing that was measured: a number with unit, spread and runs, or a word.

    Attributes
    ----------
    name : str
        Unique within a cell: "latency p50", "caught: wrong input shape".
    value : float, int, str, bool or None
        None: it failed or could not be had, and `note` says why.
    unit : str
        "ms", "images/s", "MiB", "s", "%"; "" for words and plain counts.
    low, high : float, optional
        Interval or quartiles, `note` says which; None where there is no spread.
    runs : int
        How many measurements stand behind it.
    note : str
        One sentence: how to read it, or the error's message.
    detail : str
        Long text, shown on request: a script, a traceback.
    at : float, optional
        Where it stands on a line chart's x-axis: an epoch, a batch size, threads.
    of : str
        The figure of the same cell that it is a detail of: it is shown with that one.
    is_full_only : bool
        Left out by ``--quick``; value is None then.
    mode : str
        How the engine ran, where the fastest of its modes was taken: "compiled".
    limit : float, optional
        The largest value that is physically possible: 100 for an efficiency in %.
    is_disturbed : bool
        Whether something else ran on the machine in most of its measurements.
    """

    name: str
    value: Value
    unit: str = ""
    low: float | None = None
    high: float | None = None
    runs: int = 1
    note: str = ""
    detail: str = ""
    at: float | None = None
    of: str = ""
    is_full_only: bool = False
    mode: str = ""
    limit: float | None = None
    is_disturbed: bool = False

    @property
    def number(self) -> float | None:
        """The value where it is a finite number (a truth counts 1 or 0), else None."""
        if not isinstance(self.value, (int, float)) or not math.isfinite(self.value):
            return None
        return float(self.value)

    @classmethod
    def full_only(cls, name: str, *, unit: str = "", note: str = "") -> Self:
        """Return the figure of what ``--quick`` leaves out."""
        return cls(name=name, value=None, unit=unit, note=note, is_full_only=True)

    @classmethod
    def from_spread(
        cls, name: str, spread: Spread, *, scale: float = 1.0, **others: Any
    ) -> Self:
        """Return the median of a spread between its ends, in units of ``1 / scale``."""
        return cls(
            name=name,
            value=scale * spread.median,
            low=scale * spread.low,
            high=scale * spread.high,
            **others,
        )

    @classmethod
    def images_per_second(
        cls, name: str, images: int, times_s: Spread, **others: Any
    ) -> Self:
        """Return the figure of how many images a call of so many seconds makes."""
        return cls(
            name=name,
            value=images / times_s.median,
            unit="images/s",
            low=images / times_s.high,
            high=images / times_s.low,
            **others,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the figure as plain values, without what is as it always is.

        JSON has no NaN and no infinity: such a value is None, and the note says it.
        """
        usual = type(self)(name=self.name, value=self.value)
        document = {
            key: getattr(self, key)
            for key in self.__slots__
            if key in ("name", "value") or getattr(self, key) != getattr(usual, key)
        }
        if _is_not_finite(self.value):
            came = f"It came to {self.value}."
            document["note"] = f"{came} {self.note}".rstrip()
        return {k: None if _is_not_finite(v) else v for k, v in document.items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**document)


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
