"""Results as a comparison would leave them, small enough to reckon by hand."""

from __future__ import annotations

from typing import Any

from pellucid.compare.measurement import Measurement
from pellucid.compare.results import Question, Result, Results

ENGINES = ("numpy", "compiled", "torch", "tensorflow", "jax")


def number(
    name: str, value: Any, spread: float | None = None, **more: Any
) -> Measurement:
    low, high = (None, None) if spread is None else (value - spread, value + spread)
    return Measurement(name=name, value=value, low=low, high=high, **more)


def results(**measurements: dict[str, list[Measurement]]) -> Results:
    """Return results of two rows; `figures` is {row: {engine: figures}}."""
    cells = [
        Result(row=row, engine=engine, status="measured", figures=tuple(found))
        for row, columns in measurements.items()
        for engine, found in columns.items()
    ]
    aspects = {
        "latency": ("latency", "latency p50", True),
        "speed": ("training", "images/s", False),
    }
    charts = {
        "latency": {"title": "Latency", "figures": ["latency p50"], "kind": "bars"},
        "speed": {
            "title": "Over batch sizes",
            "figures": ["at batch"],
            "kind": "lines",
            "x": "batch size",
            "is_log": True,
        },
    }
    questions = tuple(
        Question(
            name=row,
            question=f"How is {row}?",
            how="By a clock.",
            charts=(charts[row],),
            aspects=(
                {
                    "priority": aspects[row][0],
                    "figure": aspects[row][1],
                    "lower_is_better": aspects[row][2],
                },
            ),
            conclusions=("All < equal & fine.",),
        )
        for row in measurements
    )
    engines = [
        e for e in ENGINES if any(e in columns for columns in measurements.values())
    ]
    return Results(
        settings={
            "network": "lenet5",
            "data": "mnist",
            "engines": engines,
            "is_quick": True,
            "seed": 0,
        },
        machine={"processor": "a processor", "usable_cpus": 2},
        versions={"pellucid": "0.1.0"},
        begun="2026-01-01 00:00:00",
        questions=questions,
        cells=tuple(cells),
    )


def latency(**values: float) -> dict[str, list[Measurement]]:
    return {
        engine: [number("latency p50", value, 0.1 * value, unit="ms", runs=9)]
        for engine, value in values.items()
    }
