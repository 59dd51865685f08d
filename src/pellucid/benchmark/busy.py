"""`busy`: a training step while another process keeps one core busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from pellucid.benchmark.contenders import TRAINERS, select_contenders
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import BenchmarkRunner
from pellucid.benchmark.setting import Record, Setting

_CONTENDERS = ("torch", "torch bound", "tensorflow", "jax")


def busy(setting: Setting) -> Report:
    """Time each contender's step on the machine as it is, and with one core taken.

    Rounds with the core taken are marked as disturbed: they are meant to be.
    """
    record = Record("busy", setting)
    config = setting.make_config(rounds=6)
    names = setting.peers
    contenders = [
        contender
        for contender in select_contenders(TRAINERS, names)
        if names or contender.framework == "pellucid" or contender.name in _CONTENDERS
    ]
    batch = (setting.batch_sizes or (64,))[0]
    epochs = (setting.trained or (1,))[0]
    case = setting.make_case(setting.network or "mnist-torch", batch, epochs)
    results = []
    calibration, say = record.calibration, setting.say
    with BenchmarkRunner(
        contenders, "trainer", calibration=calibration, say=say
    ) as runner:
        for name, state in (
            ("as it is", nullcontext()),
            ("one core taken", occupy_core()),
        ):
            with state:
                at = replace(case, name=f"{case.name}, {name}")
                results.append(runner.run(at, config))
    facts = {"slower_when_busy": compute_slowdowns(*results)}
    return record.report(results, config=config, facts=facts)


def compute_slowdowns(quiet: CaseResult, busy: CaseResult) -> dict[str, float]:
    """Return how many times as long each contender takes with one core taken."""
    found = {}
    for timing in quiet.timings:
        other = busy.timing(timing.contender)
        if timing.rounds and other is not None:
            found[timing.contender] = other.spread.median / timing.spread.median
    return found


@contextmanager
def occupy_core() -> Iterator[Any]:
    """Keep one core busy with a process of the same priority."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
