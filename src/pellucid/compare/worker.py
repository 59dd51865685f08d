"""Child process of a comparison: measure and answer.

Run as ``python -m pellucid.compare.worker IN OUT``, two file descriptors. A
question is a line of JSON with a row and its tasks; the answer has, for each engine,
its figures, or a string where it failed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pellucid.benchmark.child_process import answer_requests
from pellucid.compare.criteria import find_criterion
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.paths import remove_folders, shorten
from pellucid.compare.task import Task
from pellucid.errors import PellucidError

Answers = Mapping[str, list[Measurement] | str]


def measure(name: str, tasks: Sequence[Task]) -> Answers:
    """Measure a row for the engines of the tasks; a failure is a string."""
    question = find_criterion(name)
    try:
        if question.measure_together is not None:
            return question.measure_together(tasks)
        if question.measure is None:
            return {}
        return {task.engine: question.measure(task) for task in tasks}
    except MemoryError as error:
        reason = f"it ran out of memory: {str(error) or 'MemoryError'}."
    except PellucidError as error:
        reason = str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the cell says it
        traceback.print_exc()
        words = str(error).strip().splitlines() or ["nothing"]
        reason = f"{type(error).__name__}: {words[0]}"
    return {task.engine: reason for task in tasks}


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one question, both as plain values."""
    tasks = [Task.from_json(task) for task in question["tasks"]]
    with restore_jax_config():
        found = measure(question["row"], tasks)
    folders = [task.folder for task in tasks]
    return {
        engine: shorten(measurements, folders)
        if isinstance(measurements, str)
        else [
            measurement.to_json()
            for measurement in remove_folders(measurements, folders)
        ]
        for engine, measurements in found.items()
    }


@contextlib.contextmanager
def restore_jax_config() -> Iterator[None]:
    """Put JAX's switch for float64 back: it is global, and the next cell comes here.

    The script of a network in float64 turns it on when it is loaded.
    """
    before = _jax_config().jax_enable_x64 if "jax" in sys.modules else False
    try:
        yield
    finally:
        if "jax" in sys.modules:
            _jax_config().update("jax_enable_x64", before)


def _jax_config() -> Any:
    return sys.modules["jax"].config


def end_with_parent() -> None:
    """Watch from a thread: where the parent is gone, end with all children."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    """Answer until the questions end."""
    end_with_parent()
    with contextlib.suppress(OSError):  # where memory runs short, this one goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    answer_requests(answer, default=_plain)


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers into Python's."""
    return value.item()


if __name__ == "__main__":
    main()
