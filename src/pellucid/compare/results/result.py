"""Result of one criterion for one engine, or why there is none."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pellucid.compare.measurement import Measurement

Status = Literal[
    "measured", "failed", "not installed", "full only", "does not apply", "not yet"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one row gave for one engine.

    Attributes
    ----------
    row, engine : str
    status : str
        "measured"; "failed" with the reason: it crashed, hung or ran out of memory;
        "not installed" with how to install it; "full only"; "does not apply"; "not
        yet" where the comparison was stopped before.
    reason : str
    figures : tuple of Figure
    seconds : float
        How long it took.
    slowdown : float
        How much longer a fixed piece of work took around it than at best.
    is_disturbed : bool
        Whether that is past the limit, so that its times are not to be trusted.
    fingerprint : str
        Of everything it depends on: settings, versions, the row's code.
    """

    row: str
    engine: str
    status: Status
    reason: str = ""
    figures: tuple[Measurement, ...] = ()
    seconds: float = 0.0
    slowdown: float = 0.0
    is_disturbed: bool = False
    fingerprint: str = ""

    def figure(self, name: str) -> Measurement | None:
        """Return the figure of that name, if there is one."""
        return next((f for f in self.figures if f.name == name), None)

    @property
    def is_done(self) -> bool:
        """Whether it need not be measured again."""
        return self.status == "measured"

    def to_json(self) -> dict[str, Any]:
        """Return the cell as plain values."""
        measurements = [measurement.to_json() for measurement in self.figures]
        plain = {key: getattr(self, key) for key in self.__slots__}
        return plain | {"figures": measurements}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        measurements = tuple(
            Measurement.from_json(measurement) for measurement in document["figures"]
        )
        return cls(**{**document, "figures": measurements})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the report needs to know of a row.

    Attributes
    ----------
    name, question, how : str
    charts, aspects : tuple of dict
        As the row says them.
    conclusions : tuple of str
        What is said of all engines together.
    """

    name: str
    question: str
    how: str
    charts: tuple[dict[str, Any], ...] = ()
    aspects: tuple[dict[str, Any], ...] = ()
    conclusions: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the question as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        lists = ("charts", "aspects", "conclusions")
        taken: dict[str, Any] = {
            k: tuple(v) if k in lists else v for k, v in document.items()
        }
        return cls(**taken)
