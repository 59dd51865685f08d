"""Picture of a parity check: by tensor and by step."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.verify.results import Kind, ParityReport

_TITLES = {
    "activations": "activations, from the first node to the last",
    "gradients": "gradients, from the first weight to the last",
    "weights": "updated weights and running statistics",
}
_LEAST = 1e-17  # drawn for an exact 0, which has no logarithm
_MANY = 24  # names that fit below an axis


def draw_parity(report: ParityReport) -> Any:
    """Draw a report: each kind of tensor against its limit, and the free run.

    Parameters
    ----------
    report : ParityReport
        What `check_parity` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 8), layout="constrained")
    panels = figure.subplots(2, 2).ravel()
    for axes, kind in zip(panels, report.kinds, strict=False):
        _draw_kind(axes, report, kind)
    _draw_free(panels[-1], report)
    verdict = "agree" if report.passes else "DO NOT AGREE"
    figure.suptitle(
        f"{report.network}: {', '.join(report.engines)} {verdict} "
        f"({report.dtype}, {report.steps} steps of {report.batch_size}, {report.data})"
    )
    return figure


def _draw_kind(axes: Any, report: ParityReport, kind: Kind) -> None:
    """Draw the largest deviation of each tensor over all steps, one line a pair."""
    x = np.arange(len(kind.tensors))
    axes.fill_between(
        x, _LEAST, _visible(kind.limit.max(axis=0)), color="0.92", label="tolerance"
    )
    for column, pair in enumerate(report.pairs):
        largest = kind.deviation[:, column].max(axis=0)
        axes.plot(x, _visible(largest), ".-", lw=0.8, label=" · ".join(pair))
    if kind.floor.any():
        floor = _visible(kind.floor.max(axis=0))
        axes.plot(x, floor, "k--", lw=1.2, label="noise floor")
    axes.set_yscale("log")
    axes.set_title(_TITLES[kind.name], fontsize=10)
    axes.set_ylabel("‖a − b‖∞ / ‖b‖∞")
    if len(x) <= _MANY:
        axes.set_xticks(x, kind.tensors, rotation=90, fontsize=7)
    smallest = min(
        kind.deviation[kind.deviation > 0].min(initial=1.0), kind.limit.min()
    )
    axes.set_ylim(bottom=smallest / 10)
    if kind.name == "activations":
        axes.legend(fontsize=6, ncols=2)


def _draw_free(axes: Any, report: ParityReport) -> None:
    steps = np.arange(1, report.steps + 1)
    for name, values in zip(report.engines, report.free.deviation.T, strict=True):
        axes.plot(steps, _visible(values), label=name)
    if report.free.floor.any():
        axes.plot(steps, _visible(report.free.floor), "k--", label="noise floor")
    axes.set_yscale("log")
    axes.set_title("weights, running free: how rounding grows", fontsize=10)
    axes.set_xlabel("step")
    axes.legend(fontsize=7)


def _visible(values: Any) -> Any:
    return np.maximum(values, _LEAST)
