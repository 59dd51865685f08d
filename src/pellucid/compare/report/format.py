"""Measurements as text: value with unit, spread and runs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from pellucid.compare.measurement import Measurement
from pellucid.compare.results import Question, Result, Results, format_amount
from pellucid.compare.results.trust import has_disturbed_times
from pellucid.engines.registry import ENGINES

#: how engines are called in a report
TITLES = {record.name: record.title for record in ENGINES.values()}

_READ = 4  # so many points of a curve are read one by one

NOT_MEASURED_HERE = (
    "community: how many people answer questions, and how soon",
    "hiring: who knows it already",
    "commercial support and long-term maintenance",
    "release cadence, and how often a release breaks what worked",
    "model hubs and pretrained weights",
    "pipeline suites such as TFX, and managed services",
    "graphics cards and TPUs that this machine does not have",
)


def format_value(measurement: Measurement) -> str:
    """Return a figure's value with its unit."""
    if measurement.is_full_only:
        return "full only"
    if measurement.value is None:
        return "none"
    if isinstance(measurement.value, bool):
        return "yes" if measurement.value else "no"
    if isinstance(measurement.value, (int, float)):
        return format_amount(measurement.value, measurement.unit)
    return str(measurement.value)


def format_spread(measurement: Measurement) -> str:
    """Return a figure's spread and runs; "" for a word without runs."""
    parts = []
    if (
        measurement.at is not None
        and format_amount(measurement.at, "") not in measurement.name
    ):
        parts.append(f"at {format_amount(measurement.at, '')}")
    if measurement.low is not None and measurement.high is not None:
        low, high = (
            format_amount(measurement.low, ""),
            format_amount(measurement.high, ""),
        )
        parts.append(f"{low} – {high}")
    if measurement.runs > 1:
        parts.append(f"{measurement.runs:,} runs")
    elif measurement.number is not None and measurement.unit:  # a count has no runs
        parts.append("1 run")
    return ", ".join(parts)


def explain_absence(cell: Result | None) -> str:
    """Return why a cell has no figures."""
    if cell is None:
        return "not measured"
    words = {
        "failed": f"failed: {cell.reason}",
        "not installed": cell.reason,
        "not yet": f"not measured yet: {cell.reason or 'it was stopped before.'}",
    }
    return words.get(cell.status, cell.status)


def explain_disturbance(cells: Sequence[Result]) -> str:
    """Return which cells of a row were disturbed; "" where none was."""
    names = [
        TITLES[cell.engine]
        for cell in cells
        if cell.is_done and has_disturbed_times(cell)
    ]
    if not names:
        return ""
    return (
        f"Something else ran on the machine while it was measured for "
        f"{', '.join(names)}: do not trust these times; they are not ranked."
    )


def command_line(results: Results, row: str, engine: str | None = None) -> str:
    """Return the command that measures a row, or one of its cells, alone."""
    settings = results.settings
    words = ["pellucid", "compare", str(settings["network"])]
    words += ["--data", str(settings["data"]), "--only", row]
    words += ["--engines", engine] if engine else []
    words += [] if settings["is_quick"] else ["--full"]
    words += ["--seed", str(settings["seed"])] if settings["seed"] else []
    return shlex.join(words)


def list_names(cells: Sequence[Result]) -> list[str]:
    """Return the names of a row's figures over all engines, in their order.

    Without those that are details of others.
    """
    measurements = (f for cell in cells for f in cell.figures if not f.of)
    return list(dict.fromkeys(f.name for f in measurements))


def find_curves(question: Question, cells: Sequence[Result]) -> dict[str, list[str]]:
    """Return the names of figures that are points of a curve, by the chart's title.

    A curve of more than four points is read as a picture; behind it stands its table.
    """
    found = {}
    for chart in question.charts:
        if chart["kind"] == "lines":
            begins = tuple(chart["figures"])
            names = [n for n in list_names(cells) if n.startswith(begins)]
            if len(names) > _READ:
                found[str(chart["title"])] = names
    return found


def list_full_only(cells: Sequence[Result]) -> list[str]:
    """Return the names of figures that --quick has left out for all of a row's engines.

    They are named in one sentence instead of a line of a table each.
    """
    measurements = {
        name: [f for cell in cells if (f := cell.figure(name)) is not None]
        for name in list_names(cells)
    }
    return [
        n for n, found in measurements.items() if all(f.is_full_only for f in found)
    ]


def list_details(
    cell: Result, measurement: Measurement
) -> list[tuple[str, Measurement]]:
    """Return a figure's details, each with what its name says beside the figure's.

    Examples
    --------
    >>> whole = Measurement(name="export ONNX", value="works")
    >>> size = Measurement(name="size ONNX", value=1.5, of="export ONNX")
    >>> both = (whole, size)
    >>> cell = Result(row="r", engine="torch", status="measured", figures=both)
    >>> [label for label, _ in list_details(cell, whole)]
    ['size']
    """
    found = (f for f in cell.figures if f.of == measurement.name)
    return [(_strip_common_end(f.name, measurement.name), f) for f in found]


def _strip_common_end(name: str, whole: str) -> str:
    """Return a name without the words at its end that it shares with another.

    Examples
    --------
    >>> whole = "programs that work as they are, jit"
    >>> _strip_common_end("if on a value, jit", whole)
    'if on a value'
    """
    words, others = name.split(), whole.split()
    pairs = enumerate(zip(reversed(words), reversed(others), strict=False))
    fewer = min(len(words), len(others))
    common = next((i for i, (a, b) in pairs if a != b), fewer)
    return " ".join(words[: len(words) - common]).rstrip(" ,:") or name


def make_title(results: Results) -> str:
    """Return what the report is about."""
    name = str(results.settings["network"]).rsplit("/", 1)[-1]
    data = str(results.settings["data"]).rsplit("/", 1)[-1]
    return f"{name} on {data}"
