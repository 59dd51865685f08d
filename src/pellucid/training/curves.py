"""Training curves over epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pellucid.training.history import History

#: what a record of the history holds beside loss and metrics
NOT_CURVES = ("epoch", "seconds", "learning_rate")
_COLOURS = {"train": "#0072b2", "validation": "#d55e00"}  # Okabe & Ito 2008


def figure(history: History) -> Any:
    """Return a matplotlib figure with one panel for the loss and each metric."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [
        name
        for name in (history[-1] if len(history) else {"loss": 0.0})
        if name not in NOT_CURVES and not name.startswith("val_")
    ]
    drawing = Figure(figsize=(5 * len(names), 3.6), layout="constrained")
    panels = drawing.subplots(1, len(names), squeeze=False)[0]
    for panel, name in zip(panels, names, strict=True):
        for key, kind in ((name, "train"), (f"val_{name}", "validation")):
            points = [(r["epoch"], r[key]) for r in history if key in r]
            if points:
                xs, ys = zip(*points, strict=True)
                mark = "o" if len(points) < 30 else None
                panel.plot(
                    xs, ys, marker=mark, markersize=4, label=kind, color=_COLOURS[kind]
                )
        panel.set_xlabel("epoch")
        panel.set_ylabel("loss (nats)" if name == "loss" else name.replace("_", " "))
        panel.grid(alpha=0.25)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel.legend(frameon=False)
        panel.spines[["top", "right"]].set_visible(False)
    return drawing
