"""Picture of a search: the score over trials, and over each setting."""

from __future__ import annotations

from typing import Any

from pellucid.search.outcome import SearchOutcome, TrialRecord
from pellucid.search.space import Range, Space

_COLUMNS = 3
_BLUE, _GREY, _ORANGE = "#0072b2", "#999999", "#d55e00"


def picture(outcome: SearchOutcome, space: Space) -> Any:
    """Draw what a search found.

    Parameters
    ----------
    outcome : SearchOutcome
        What `search` returned.
    space : mapping of str to Range or Choice
        What was searched.

    Returns
    -------
    matplotlib.figure.Figure
        First the score of each trial in order and the best so far; then the score over
        each setting, with the spread over seeds.
    """
    from matplotlib.figure import Figure

    complete = [trial for trial in outcome.trials if trial.state == "complete"]
    rows = -(-(len(space) + 1) // _COLUMNS)
    columns = min(len(space) + 1, _COLUMNS)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    _draw_course(panels[0], outcome, complete)
    for panel, (key, parameter) in zip(panels[1:], space.items(), strict=False):
        is_log = isinstance(parameter, Range) and parameter.is_logarithmic
        _draw_setting(panel, key, complete, outcome, is_log=is_log)
    for panel in panels[len(space) + 1 :]:
        panel.set_axis_off()
    return figure


def _draw_course(
    panel: Any, outcome: SearchOutcome, complete: list[TrialRecord]
) -> None:
    from matplotlib.ticker import MaxNLocator

    numbers = [trial.number for trial in complete]
    scores = [trial.score or 0.0 for trial in complete]
    panel.plot(numbers, scores, "o", color=_BLUE, label="trial")
    better = max if outcome.is_maximized else min
    best = [better(scores[: i + 1]) for i in range(len(scores))]
    panel.step(numbers, best, where="post", color=_ORANGE, label="best so far")
    others = [t.number for t in outcome.trials if t.state != "complete"]
    for number in others:
        panel.axvline(number, color=_GREY, alpha=0.4, linewidth=1)
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    note = f" ({len(others)} grey: pruned or failed)" if others else ""
    panel.set(xlabel=f"trial{note}", ylabel=outcome.metric)
    panel.legend(fontsize=7)


def _draw_setting(
    panel: Any,
    key: str,
    complete: list[TrialRecord],
    outcome: SearchOutcome,
    *,
    is_log: bool,
) -> None:
    from matplotlib.ticker import MaxNLocator, NullFormatter

    values = [trial.values[key] for trial in complete]
    if any(isinstance(value, str | bool) for value in values):
        values = [str(value) for value in values]
    panel.errorbar(
        values,
        [trial.score or 0.0 for trial in complete],
        [trial.spread or 0.0 for trial in complete],
        fmt="o",
        color=_BLUE,
        ecolor=_GREY,
    )
    best = outcome.best
    if best is not None:
        at = best.values[key]
        shown = str(at) if isinstance(at, str | bool) else at
        panel.plot([shown], [best.score], "o", color=_ORANGE, zorder=3)
    if is_log:
        panel.set_xscale("log")
        panel.xaxis.set_minor_formatter(NullFormatter())
    elif all(isinstance(value, int) for value in values):
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set(xlabel=key, ylabel=outcome.metric)
