"""Loss and metrics as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pellucid.cli.output import percent


def metric_lines(metrics: Mapping[str, float], on: str) -> Iterator[str]:
    """Yield a line for each metric: the loss second to last, the main metric last.

    The main metric is accuracy for classes or labels, else the first one. ``on`` is
    the split that was evaluated.
    """
    names = [name for name in metrics if name != "loss"]
    main = "accuracy" if "accuracy" in metrics else next(iter(names), "")
    for name in names:
        if name != main:
            yield _line(name, metrics[name], on)
    if "loss" in metrics:
        yield f"{on} loss: {metrics['loss']:.4f}"
    if main:
        yield _line(main, metrics[main], on)


def _line(name: str, value: float, on: str) -> str:
    words = f"{on} {name.replace('_', ' ')}"
    if name == "accuracy":
        return f"{words}: {percent(value)}"
    is_small = 0 < value < 0.001  # four decimals would not show it
    return f"{words}: {value:.3g}" if is_small else f"{words}: {value:.4f}"
