"""Progress of a training in a notebook: a bar and the table of epochs, kept current."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar

from pellucid.training.callbacks import Callback

if TYPE_CHECKING:
    from pellucid.training.history import EpochRecord
    from pellucid.training.trainer import Trainer

_SECONDS_BETWEEN_UPDATES = 0.5


def is_notebook() -> bool:
    """Return whether the code runs in a kernel that shows HTML."""
    if "IPython" not in sys.modules:
        return False
    shell: Any = sys.modules["IPython"].get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


class NotebookProgress(Callback):
    """Show one output that changes: how far the training is, and its epochs so far."""

    may_stop: ClassVar[bool] = False

    def __init__(self) -> None:
        self._handle: Any = None
        self._last, self._start = -1e9, 0.0

    def on_begin(self, trainer: Trainer) -> None:
        """Open the output."""
        from IPython.display import HTML, display

        self._start = time.perf_counter()
        self._handle = display(HTML(self._page(trainer)), display_id=True)

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Move the bar, twice a second at most."""
        if time.perf_counter() - self._last >= _SECONDS_BETWEEN_UPDATES:
            self._show(trainer)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Show the epoch's record, twice a second at most."""
        self.on_step(trainer, 0.0)

    def on_end(self, trainer: Trainer) -> None:
        """Leave the table of all epochs."""
        self._show(trainer)

    def _show(self, trainer: Trainer) -> None:
        from IPython.display import HTML

        self._last = time.perf_counter()
        if self._handle is not None:
            self._handle.update(HTML(self._page(trainer)))

    def _page(self, trainer: Trainer) -> str:
        step, steps = trainer.position.step, trainer.steps
        passed = time.perf_counter() - self._start
        epoch = min(trainer.position.epoch + 1, trainer.config.epochs)
        text = f"epoch {epoch} of {trainer.config.epochs}, {passed:.0f} s"
        if trainer.stop_reason:
            text += f", stopped: {trainer.stop_reason}"
        elif steps is not None and step < steps:
            left = passed / step * (steps - step) if step else 0.0
            text += f", {left:.0f} s left"
        end = "" if steps is None else f' value="{step}" max="{steps}"'
        bar = f"<progress{end}></progress>"
        records = trainer.history
        table = records._repr_html_() if len(records) else ""
        return f"<div>{bar} {escape(text)}</div>{table}"
