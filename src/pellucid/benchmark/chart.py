"""Chart of a report: bars with quartiles, or growth curves."""

from __future__ import annotations

import io
from typing import Any

from pellucid.benchmark.results import CaseResult, Report, is_ours
from pellucid.benchmark.tables import format_duration

_OURS, _THEIRS, _TEXT = "#0b6e99", "#c9ced6", "#222222"


def draw_png(report: Report) -> bytes:
    """Draw a report.

    One panel of bars for each case; for what grows, time and memory over each axis.

    Returns
    -------
    bytes
        A PNG file.
    """
    cases = [case for case in report.cases if any(t.rounds for t in case.timings)]
    draw = _draw_curves if "growth" in report.facts else _draw_bars
    figure = draw(cases)
    processor = report.machine.get("processor", "")
    figure.suptitle(f"{report.benchmark}   {processor}".strip(), fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _new_figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _draw_bars(cases: list[CaseResult]) -> Any:
    columns = min(3, max(1, len(cases)))
    rows = max(1, -(-len(cases) // columns))
    tallest = max((len(case.timings) for case in cases), default=1)
    figure = _new_figure(5.2 * columns, 0.4 + rows * (0.6 + 0.26 * tallest))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, case in zip(axes, cases, strict=False):
        _draw_panel(axis, case)
    for axis in axes[len(cases) :]:
        axis.set_visible(False)
    return figure


def _draw_panel(axis: Any, case: CaseResult) -> None:
    measured = [timing for timing in case.timings if timing.rounds]
    measured.sort(key=lambda timing: timing.spread.median, reverse=True)
    spreads = [timing.spread for timing in measured]
    medians = [spread.median for spread in spreads]
    axis.barh(
        range(len(measured)),
        medians,
        xerr=(
            [spread.median - spread.low for spread in spreads],
            [spread.high - spread.median for spread in spreads],
        ),
        color=[_OURS if is_ours(timing.contender) else _THEIRS for timing in measured],
        error_kw={"ecolor": _TEXT, "elinewidth": 0.8, "capsize": 2},
    )
    axis.set_yticks(range(len(measured)), [t.contender for t in measured], fontsize=8)
    widest = max(spread.high for spread in spreads)
    for place, spread in enumerate(spreads):
        axis.annotate(
            format_duration(spread.median),
            (spread.high, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            color=_TEXT,
        )
    axis.set_xlim(0, widest * 1.22)
    axis.set_title(case.name, fontsize=8)
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _draw_curves(cases: list[CaseResult]) -> Any:
    """Draw time above and memory below, one column for each axis."""
    names = list(dict.fromkeys(case.facts["axis"] for case in cases))
    figure = _new_figure(3.6 * len(names), 5.6)
    grid = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        mine = [case for case in cases if case.facts["axis"] == name]
        contenders = dict.fromkeys(
            t.contender for case in mine for t in case.timings if t.rounds
        )
        for contender in contenders:
            found = [(case.facts["value"], case.timing(contender)) for case in mine]
            points = [(value, timing) for value, timing in found if timing]
            look = {"color": _OURS if is_ours(contender) else _TEXT, "marker": "o"}
            values = [value for value, _ in points]
            times = [1e3 * timing.spread.median for _, timing in points]
            peaks = [(timing.peak_bytes or 0) / 2**20 for _, timing in points]
            grid[0, column].plot(values, times, label=contender, markersize=3, **look)
            grid[1, column].plot(values, peaks, label=contender, markersize=3, **look)
        for axis, unit in zip(
            grid[:, column], ("ms a step", "MiB at most"), strict=True
        ):
            axis.set_xlabel(name, fontsize=8)
            axis.set_ylabel(unit, fontsize=8)
            axis.set_ylim(bottom=0)
            axis.spines[["top", "right"]].set_visible(False)
    grid[0, 0].legend(frameon=False, fontsize=8)
    return figure
