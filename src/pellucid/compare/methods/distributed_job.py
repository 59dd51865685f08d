"""Job: processes that train one model together, a processor for each.

Run as ``python -m pellucid.compare.methods.distributed_job`` in the folder that holds
the question; the first process leaves its answer there. Which process of how many it
is, the engine learns from its own launcher, as in any training on many machines.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np

from pellucid.benchmark.jobs import Launch, find_mpiexec, rank_environments
from pellucid.compare.methods.cpu_affinity import pinned_command
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.methods.trial import (
    BATCH,
    Trial,
    Weights,
    read_trial,
    write_trial,
)
from pellucid.compare.task import Task
from pellucid.engines.registry import ENGINES
from pellucid.errors import EngineError
from pellucid.machine import list_usable_cpus
from pellucid.model import Model
from pellucid.training import Callback, Trainer

_MODULE = "pellucid.compare.methods.distributed_job"
_QUESTION, _MOST = "job.json", 1000
_ENDLESS = 1_000_000  # epochs; the first process says when it is enough
#: the steps after which weights are compared, and the fewest that are made
EARLY, LEAST = 5, 8
_OPTIMIZER = {"optimizer.name": "sgd", "optimizer.learning_rate": 0.01}


def run_job(task: Task, count: int, *, seconds: float, steps: int = 0) -> Trial:
    """Train in so many processes, each held to one processor, on batches of 64.

    By plain gradient descent: Adam makes a whole step of the rounding of a derivative
    that is almost 0, and the weights of several processes would seem others.

    Parameters
    ----------
    task : Task
    count : int
        Processes. Where there are fewer processors, they share them.
    seconds : float
        About so long the steps take, where `steps` does not say how many.
    steps : int
        Steps; 0: as many as fit into `seconds`, at least 8.

    Returns
    -------
    Trial
        Weights after 5 steps, and the seconds of each step but the first.

    Raises
    ------
    EngineError
        If a process ends badly, or the launcher is not there.
    """
    folder = task.folder / f"job-{count}"
    folder.mkdir()
    question = {"task": task.to_json(), "seconds": seconds, "steps": steps}
    (folder / _QUESTION).write_text(json.dumps(question), encoding="utf-8")
    launches = _launch(task.engine, count)
    said = [folder / f"said-{i}" for i in range(len(launches))]
    processes = []
    try:
        for (command, more), file in zip(launches, said, strict=True):
            with file.open("wb") as stream:
                processes.append(
                    subprocess.Popen(
                        command,
                        cwd=folder,
                        env={**os.environ, **more},
                        stdin=subprocess.DEVNULL,
                        stdout=stream,
                        stderr=stream,
                    )
                )
        failed = _wait_for_failure(processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if failed is not None:
        lines = said[failed].read_text(errors="replace").strip().splitlines()
        raise EngineError(
            f"scale-out: {count} processes of {task.engine} must train together; got "
            f"{_find_error_line(lines)}"
        )
    return read_trial(folder)


def _wait_for_failure(processes: list[subprocess.Popen[bytes]]) -> int | None:
    """Wait for all; return the first one that ended badly, as soon as one has."""
    while True:
        codes = [process.poll() for process in processes]
        failed = next((i for i, code in enumerate(codes) if code), None)
        if failed is not None or None not in codes:
            return failed
        time.sleep(0.02)


def _find_error_line(lines: list[str]) -> str:
    """Return the line that says what went wrong: the last with an error's name."""
    named = [line for line in lines if "Error: " in line]
    return (named or lines or ["nothing"])[-1].rpartition("Error: ")[2].strip()


def _make_command(rank: int) -> list[str]:
    cpus = list_usable_cpus()
    return pinned_command(_MODULE, cpus[rank % len(cpus) :][:1] if cpus else ())


def _launch(engine: str, count: int) -> list[Launch]:
    """Launch the processes, each with a processor of its own to run on."""
    if ENGINES[engine].process_environment is not None:
        told = rank_environments(engine, ["127.0.0.1"] * count)
        return [Launch(_make_command(i), told[i]) for i in range(count)]
    words = [find_mpiexec()]
    for rank in range(count):
        words += [*([":"] if rank else []), "-n", "1", *_make_command(rank)]
    return [Launch(words, {})]


class _Watch(Callback):
    """Times each step, keeps early weights, and ends the training when it is enough.

    Parameters
    ----------
    model : Model
    steps, seconds
        As `run_job` takes them.
    """

    def __init__(self, model: Model, *, steps: int, seconds: float) -> None:
        self._model = model
        self._last = steps
        self._seconds = 0.0 if steps else seconds
        self._begun = 0.0
        self.times_s: list[float] = []
        self.weights: Weights = {}

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Look at the clock."""
        self.times_s.append(time.perf_counter() - self._begun)
        count = len(self.times_s)
        if count == EARLY:
            self.weights = {k: v.copy() for k, v in self._model.weights.items()}
        is_enough = sum(self.times_s[1:]) >= self._seconds and count >= LEAST
        if count == self._last or (self._last < 1 and (is_enough or count == _MOST)):
            trainer.stop("it is enough")
        self._begun = time.perf_counter()


def main() -> None:
    """Take one process's part in the job."""
    question = json.loads(Path(_QUESTION).read_text(encoding="utf-8"))
    task = Task.from_json(question["task"])
    model = build_model(task, changes=_OPTIMIZER)
    data, _ = load_data(task, model)
    watch = _Watch(model, steps=question["steps"], seconds=question["seconds"])
    model.fit(
        data.subset(np.arange(len(data) - len(data) % BATCH or len(data))),
        epochs=_ENDLESS,
        batch_size=BATCH,
        shuffle=False,
        callbacks=[watch],
        progress=False,
    )
    if watch.times_s:  # the first process
        done = Trial(weights=watch.weights, times_s=tuple(watch.times_s[1:]))
        write_trial(done, Path.cwd())


if __name__ == "__main__":
    main()
