"""Picture of a network's most confident mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.explain.assessment import Assessment

_COLUMNS, _ROWS = 8, 4
_LONGEST_NAME = 30  # characters below a panel


def mistakes_picture(assessment: Assessment, dataset: Dataset) -> Any:
    """Draw the most confident mistakes, up to 32, with labels and predictions.

    Parameters
    ----------
    assessment : Assessment
        Of this dataset, by `assess`.
    dataset : Dataset
        Of images (N, H, W, C).

    Returns
    -------
    matplotlib.figure.Figure
        Not shown yet.
    """
    from matplotlib.figure import Figure

    shown = assessment.mistakes[: _COLUMNS * _ROWS]
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = Figure(figsize=(1.55 * _COLUMNS, 1.9 * rows + 0.5), layout="constrained")
    figure.suptitle(
        f"{len(assessment.mistakes):,} of {assessment.count:,} are wrong; "
        "these are the ones it was surest of: what it is → what it said",
        fontsize=11,
    )
    panels = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for panel in panels:
        panel.set_axis_off()
    names = assessment.classes
    for panel, mistake in zip(panels, shown, strict=False):
        pixels = np.asarray(dataset.images[mistake.index])
        label, said = mistake.words(names)
        panel.imshow(pixels if pixels.shape[2] == 3 else pixels[..., 0], cmap="gray")
        panel.set_title(
            f"{label} → {said}  {100 * mistake.probability:.0f} %",
            fontsize=9,
        )
        if mistake.file:
            panel.text(
                0.5,
                -0.04,
                _shorten(mistake.file),
                transform=panel.transAxes,
                ha="center",
                va="top",
                fontsize=6,
            )
    return figure


def _shorten(name: str) -> str:
    """Return the end of a path that fits below a panel."""
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]
