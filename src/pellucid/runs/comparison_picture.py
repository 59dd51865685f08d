"""Curves of several runs in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.runs.overview import RunSummary
from pellucid.training.curves import NOT_CURVES


def draw_runs(runs: Sequence[RunSummary]) -> Any:
    """Draw loss and metrics of runs over their epochs.

    Parameters
    ----------
    runs : sequence of RunSummary
        At least one with a finished epoch.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for the loss and each metric: dashed in training, solid on held-out
        images; one colour a run.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = list(
        dict.fromkeys(
            name.removeprefix("val_")
            for run in runs
            for record in run.history[-1:]
            for name in record
            if name not in NOT_CURVES
        )
    ) or ["loss"]
    figure = Figure(figsize=(5.2 * len(names), 3.8), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for index, run in enumerate(runs):
            for key, style in ((name, "--"), (f"val_{name}", "-")):
                points = [(r["epoch"], r[key]) for r in run.history if key in r]
                if points:
                    xs, ys = zip(*points, strict=True)
                    label = f"{run.name}{'' if style == '-' else ', training'}"
                    panel.plot(
                        xs, ys, style, marker=".", color=f"C{index}", label=label
                    )
        panel.set(xlabel="epoch", ylabel=name)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if panel.lines:
            panel.legend(frameon=False, fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
    return figure
