"""This file is a report as a picture: a bar per peer, whiskers at the quartiles."""

from __future__ import annotations

import io
from typing import Any

from pellucid.compare.timing.results import CaseResult, Report, is_ours
from pellucid.compare.timing.tables import duration

_OURS, _THEIRS, _TEXT = "#0b6e99", "#c9ced6", "#222222"


def png(report: Report) -> bytes:
    """Draw a report; one panel for each case, as many as there are.

    Returns
    -------
    bytes
        A PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cases = [case for case in report.cases if any(t.turns for t in case.timings)]
    columns = min(3, max(1, len(cases)))
    rows = max(1, -(-len(cases) // columns))
    tallest = max((len(case.timings) for case in cases), default=1)
    figure = Figure(
        figsize=(5.2 * columns, rows * (0.8 + 0.26 * tallest)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, case in zip(axes, cases, strict=False):
        _panel(axis, case)
    for axis in axes[len(cases) :]:
        axis.set_visible(False)
    processor = report.machine.get("processor", "")
    figure.suptitle(f"{report.benchmark}   {processor}".strip(), fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _panel(axis: Any, case: CaseResult) -> None:
    measured = [timing for timing in case.timings if timing.turns]
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
        color=[_OURS if is_ours(timing.peer) else _THEIRS for timing in measured],
        error_kw={"ecolor": _TEXT, "elinewidth": 0.8, "capsize": 2},
    )
    axis.set_yticks(range(len(measured)), [t.peer for t in measured], fontsize=8)
    widest = max(spread.high for spread in spreads)
    for place, spread in enumerate(spreads):
        axis.annotate(
            duration(spread.median),
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
