"""Trial: a few training steps in a new process, on so many processors.

Run as ``python -m pellucid.compare.methods.trial``, with a line of JSON on stdin: the
task, the steps, and where the weights go.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.compare.methods.cpu_affinity import pinned_command
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.errors import EngineError

BATCH = 64
Weights = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial gave: weights, and the seconds of each step but the first."""

    weights: Weights
    times_s: tuple[float, ...]


def run_trial(
    task: Task, name: str, *, cpus: tuple[int, ...] = (), steps: int
) -> Trial:
    """Train in a new process that is held to some processors; all where none is named.

    Raises
    ------
    EngineError
        If the process ends badly.
    """
    folder = task.folder / name
    folder.mkdir()
    question = {"task": task.to_json(), "steps": steps, "folder": str(folder)}
    run = subprocess.run(
        pinned_command("pellucid.compare.methods.trial", cpus),
        input=json.dumps(question),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["nothing"]
        raise EngineError(
            f"trial: {task.engine} must train for {steps} steps; got {words[-1]}"
        )
    return read_trial(folder)


def train(task: Task, steps: int) -> Trial:
    """Train in this process."""
    model, (data, _) = build_model(task), load_data(task)
    times: list[float] = []
    for i in range(steps):
        rows = np.arange(i * BATCH, (i + 1) * BATCH) % len(data)
        images, labels = data.images[rows], data.labels[rows]
        begin = time.perf_counter()
        model.train_step(images, labels)
        times.append(time.perf_counter() - begin)
    return Trial(weights=dict(model.weights), times_s=tuple(times[1:]))


def write_trial(done: Trial, folder: Path) -> None:
    """Leave a trial in a folder."""
    np.savez(folder / "weights.npz", **done.weights)  # type: ignore[arg-type]
    (folder / "times.json").write_text(json.dumps(done.times_s), encoding="ascii")


def read_trial(folder: Path) -> Trial:
    """Return what a process has left in its folder."""
    times = json.loads((folder / "times.json").read_text(encoding="ascii"))
    with np.load(folder / "weights.npz") as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    return Trial(weights=weights, times_s=tuple(times))


def main() -> None:
    """Train as stdin says."""
    question = json.loads(sys.stdin.read())
    done = train(Task.from_json(question["task"]), question["steps"])
    write_trial(done, Path(question["folder"]))


if __name__ == "__main__":
    main()
