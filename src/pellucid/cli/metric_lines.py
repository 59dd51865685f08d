"""Loss and metrics as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pellucid.cli.output import percent


def metric_lines(
    metrics: Mapping[str, float], on: str, outputs: Sequence[str] = ()
) -> Iterator[str]:
    """Yield a line for each metric: the loss second to last, the main metric last.

    The main metric is accuracy for classes or labels, else the first one; of several
    ``outputs`` there is none, and the loss is last. ``on`` is the split that was
    evaluated.
    """
    names = [name for name in metrics if name != "loss"]
    main = "accuracy" if "accuracy" in metrics else next(iter(names), "")
    if len(outputs) > 1:
        main = ""
    for name in names:
        if name != main:
            yield _line(name, metrics[name], on, outputs)
    if "loss" in metrics:
        yield f"{on} loss: {metrics['loss']:.4f}"
    if main:
        yield _line(main, metrics[main], on)


def _line(name: str, value: float, on: str, outputs: Sequence[str] = ()) -> str:
    of = max((o for o in outputs if name.startswith(f"{o}_")), key=len, default="")
    name = name.removeprefix(f"{of}_")
    words = " ".join(filter(None, (on, of, name.replace("_", " "))))
    if name == "accuracy":
        return f"{words}: {percent(value)}"
    is_small = 0 < value < 0.001  # four decimals would not show it
    return f"{words}: {value:.3g}" if is_small else f"{words}: {value:.4f}"
