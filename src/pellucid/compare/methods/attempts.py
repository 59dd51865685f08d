"""One idiomatic training script for each engine.

Each text is put at the end of the engine's script: what is wrong in it, if anything, is
what its user did, and a traceback shows the user's lines.
"""

from __future__ import annotations

import re
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy.typing as npt

from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import (
    load_script,
    script_name,
    silence,
    write_script_text,
)
from pellucid.compare.task import Task

Array = npt.NDArray[Any]
_ANSI = re.compile(r"\x1b\[[0-9;]*m")

_LOGITS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended: a loss or an error, and what was said meanwhile."""

    loss: float | None
    error: str = ""
    depth: int | None = None
    warning: str = ""
    trace: str = ""

    @property
    def has_error(self) -> bool:
        """Whether an exception said that something is wrong."""
        return bool(self.error)


def build_attempt(
    task: Task, *, twice_softmaxed: bool = False, rate: float = 1.0
) -> ModuleType:
    """Return the engine's script with `attempt(images, labels)` at its end.

    Parameters
    ----------
    task : Task
    twice_softmaxed : bool
        Put a softmax where the loss expects logits.
    rate : float
        The learning rate, in multiples of the recipe's.
    """
    text = write_script_text(task)
    text = re.sub(
        r"^LEARNING_RATE = (.*)$",
        lambda match: f"LEARNING_RATE = {float(match[1]) * rate!r}",
        text,
        flags=re.MULTILINE,
    )
    programs = find_programs(task.engine)
    fit = programs.fit
    if "COMPILE" in fit:  # as the script itself does it
        start = text.index("    optimizer = ")
        fit = fit.replace(
            "COMPILE\n", text[start : text.index("    if options.epochs")]
        )
    if twice_softmaxed:
        text = text + programs.softmax_twice
        fit = fit.replace('"sparse_categorical_crossentropy"', _LOGITS)
    main = text.rindex('\n\nif __name__ == "__main__":')
    tail = text[main:].replace('if __name__ == "__main__":\n    main()\n', "")
    return load_script(text[:main] + tail + fit, task.folder / script_name(task))


def run_attempt(module: ModuleType, images: Array, labels: Array) -> Outcome:
    """Train for one epoch and look how it ends."""
    with silence() as spoken, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            loss = module.attempt(images, labels)
        except Exception as error:  # noqa: BLE001 - any error is an answer
            return _describe_error(error, Path(str(module.__file__)))
    said = [str(w.message) for w in warned if _is_about_us(w)]
    if loss is None:
        found = re.findall(r"loss:? ([-+.\deinfa]+)", spoken.getvalue())
        loss = found[-1] if found else None
    return Outcome(
        loss=None if loss is None else float(loss),
        warning=said[0] if said else "",
    )


def _is_about_us(warned: warnings.WarningMessage) -> bool:
    """Return whether a warning is about values, not about a package's future."""
    passing = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
    return not issubclass(warned.category, (*passing, ImportWarning, ResourceWarning))


def _describe_error(error: Exception, path: Path) -> Outcome:
    frames = traceback.extract_tb(error.__traceback__)
    own = [i for i, frame in enumerate(frames) if frame.filename == str(path)]
    depth = len(frames) - 1 - own[-1] if own else None
    said = _ANSI.sub("", str(error))
    lines = [line for line in said.splitlines() if line.strip()]
    return Outcome(
        loss=None,
        error=f"{type(error).__name__}: {' '.join(lines)[:300]}",
        depth=depth,
        trace="".join(traceback.format_exception(error))[-6000:],
    )
