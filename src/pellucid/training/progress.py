"""Progress of a training: a bar in a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from pellucid.training.callbacks import Callback

if TYPE_CHECKING:
    from pellucid.training.history import EpochRecord
    from pellucid.training.trainer import Trainer

_SECONDS_BETWEEN_LINES = 1.0
_SECONDS_BETWEEN_UPDATES = 0.1


class ShowProgress(Callback):
    """Show epoch, loss, metrics, images/s and time left on stderr."""

    may_stop = False

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._last_line = self._last_update = -1e9
        self._images = 0
        self._start = 0.0

    def on_begin(self, trainer: Trainer) -> None:
        """Open the bar where there is a terminal."""
        self._start = time.perf_counter()
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(
            "training",
            total=trainer.steps,
            completed=trainer.position.step,
            figures="",
        )
        self._bar.start()

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Move the bar, ten times a second at most."""
        position = trainer.position
        self._images += trainer.train.batch_size
        now = time.perf_counter()
        if self._bar is None or now - self._last_update < _SECONDS_BETWEEN_UPDATES:
            return
        self._last_update = now
        rate = self._images / (now - self._start)
        self._bar.update(
            self._task,
            completed=position.step,
            description=f"epoch {position.epoch + 1}/{trainer.config.epochs}",
            figures=f"{_format_figures(position.means())}  {rate:,.0f} images/s",
        )

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Print a line for the epoch, one a second at most."""
        now = time.perf_counter()
        epochs = trainer.config.epochs
        is_edge = record["epoch"] in (1, epochs)
        if not is_edge and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._last_line = now
        steps_left = (trainer.steps or 0) - trainer.position.step
        left = (now - self._start) / max(self._images, 1)
        left *= steps_left * trainer.train.batch_size
        line = (
            f"epoch {record['epoch']:.0f}/{epochs}  {_format_figures(record)}  "
            f"{record['seconds']:.1f} s"
        )
        if steps_left > 0:
            line += f"  ({left:.0f} s left)"
        if self._bar is not None:
            self._bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - its very purpose

    def on_end(self, trainer: Trainer) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if trainer.stop_reason:
            print(f"stopped: {trainer.stop_reason}", file=sys.stderr)  # noqa: T201


def _format_figures(record: EpochRecord) -> str:
    hidden = ("epoch", "seconds", "learning_rate")
    return "  ".join(f"{k} {v:.4f}" for k, v in record.items() if k not in hidden)
