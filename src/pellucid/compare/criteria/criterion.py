"""Criterion: one question, how it is measured, how its answer is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pellucid.compare.measurement import Measurement
from pellucid.compare.task import Task
from pellucid.engines.registry import NAMES

#: the columns, in the report's order
ENGINES: tuple[str, ...] = tuple(NAMES)

#: what a reader may hold dear: the word for --priority, and what it means
PRIORITIES: dict[str, str] = {
    "accuracy": "the accuracy it reaches",
    "training": "training speed",
    "latency": "quick answers, one at a time",
    "throughput": "many answers at once",
    "size": "little to install",
    "memory": "little memory",
    "start": "a quick start",
    "ease": "little to write and to know",
    "mistakes": "mistakes that are caught",
    "debugging": "looking inside",
    "ecosystem": "the rest of Python",
    "deployment": "ways to deploy",
    "devices": "phones and microcontrollers",
    "languages": "other languages",
    "reproducibility": "the same bits again",
    "scaling": "more processors",
    "portability": "weights that move",
    "flexibility": "dynamic programs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Which figures are drawn, and how.

    Attributes
    ----------
    title : str
    figures : tuple of str
        For "bars": names of figures, each a group with one bar per engine. For
        "lines": the beginnings of names; figures with `at` are points of a line, one
        line per engine.
    kind : {"bars", "lines"}
    x : str
        For "lines": what the x-axis is, "batch size".
    is_log : bool
        Whether the values' axis is logarithmic.
    """

    title: str
    figures: tuple[str, ...]
    kind: Literal["bars", "lines"] = "bars"
    x: str = ""
    is_log: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the chart as plain values."""
        return {**asdict(self), "figures": list(self.figures)}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(**{**document, "figures": tuple(document["figures"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredMetric:
    """A figure that counts towards a priority.

    Attributes
    ----------
    priority : str
        A key of `PRIORITIES`.
    figure : str
        The figure's name.
    lower_is_better : bool
    """

    priority: str
    figure: str
    lower_is_better: bool

    @classmethod
    def lower(cls, priority: str, figure: str) -> Self:
        """Return a measurement of which less is better."""
        return cls(priority=priority, figure=figure, lower_is_better=True)

    @classmethod
    def higher(cls, priority: str, figure: str) -> Self:
        """Return a measurement of which more is better."""
        return cls(priority=priority, figure=figure, lower_is_better=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One question and how it is answered by measurement.

    Attributes
    ----------
    name : str
        The word for --only, and the row's anchor in the report.
    question : str
    how : str
        One paragraph: what is measured, and how.
    measure : callable, optional
        Takes a `Task`, returns a list of `Measurement`. It runs in a process that can
        hang, crash or run out of memory without harm to the rest. What it raises is
        the failure of the result; a measurement that fails on its own is better
        returned as one whose value is None and whose note says why.
    measure_together : callable, optional
        Instead of `measure`, where engines must take turns: takes the tasks of all
        engines, returns {engine: figures}, or a string in place of the figures where
        an engine failed.
    engines : tuple of str
        Those it makes sense for; for another the cell says "does not apply".
    is_quick : bool
        Whether --quick measures it; else the cell says "full only".
    is_timed : bool
        Whether times or memory are measured: such a cell has the machine to itself.
        Others are measured two engines at once. The cells of an engine share a process.
    is_fresh : bool
        Whether a figure depends on what that process has done before, as the time of
        a first call does: it then is the first thing that a process is asked.
    limit_s : float
        Time limit of a cell (of the row, where engines are measured together).
    needs : tuple of str
        Further packages, beside the engine's own, whose versions its figures rest on.
    charts : tuple of Chart
    aspects : tuple of ScoredMetric
    conclude : callable, optional
        What is said of all engines together: takes {engine: figures} of those that
        were measured, returns sentences. A test across engines is made here.
    """

    name: str
    question: str
    how: str
    measure: Callable[[Task], list[Measurement]] | None = None
    measure_together: (
        Callable[[Sequence[Task]], dict[str, list[Measurement] | str]] | None
    ) = None
    engines: tuple[str, ...] = ENGINES
    is_quick: bool = True
    is_timed: bool = True
    is_fresh: bool = False
    limit_s: float = 120.0
    needs: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    aspects: tuple[ScoredMetric, ...] = ()
    conclude: Callable[[Mapping[str, Sequence[Measurement]]], list[str]] | None = None

    def description(self) -> dict[str, Any]:
        """Return what a report needs to know of the row, as plain values."""
        return {
            "name": self.name,
            "question": self.question,
            "how": self.how,
            "charts": [chart.to_json() for chart in self.charts],
            "aspects": [asdict(metric) for metric in self.aspects],
        }
