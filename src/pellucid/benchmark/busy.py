"""`busy`: a training step while another process keeps one core busy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

from pellucid.benchmark.peers import TRAINERS, chosen
from pellucid.benchmark.results import CaseResult, Report
from pellucid.benchmark.rounds import Field
from pellucid.benchmark.setting import Record, Setting

_PEERS = ("torch", "torch bound", "tensorflow", "jax")


def busy(setting: Setting) -> Report:
    """Time each peer's step on the machine as it is, and with one core taken.

    Rounds with the core taken are marked as disturbed: they are meant to be.
    """
    record = Record("busy", setting)
    pace = setting.pace(rounds=6)
    names = setting.peers
    peers = [
        peer
        for peer in chosen(TRAINERS, names)
        if names or peer.framework == "pellucid" or peer.name in _PEERS
    ]
    batch = (setting.batch_sizes or (64,))[0]
    epochs = (setting.trained or (1,))[0]
    case = setting.case(setting.network or "mnist-torch", batch, epochs)
    results = []
    calibration, say = record.calibration, setting.say
    with Field(peers, "trainer", calibration=calibration, say=say) as field:
        for name, state in (("as it is", nullcontext()), ("one core taken", hog())):
            with state:
                at = replace(case, name=f"{case.name}, {name}")
                results.append(field.run(at, pace))
    facts = {"slower_when_busy": slower(*results)}
    return record.report(results, pace=pace, facts=facts)


def slower(quiet: CaseResult, busy: CaseResult) -> dict[str, float]:
    """Return how many times as long each peer takes with one core taken."""
    found = {}
    for timing in quiet.timings:
        other = busy.timing(timing.peer)
        if timing.turns and other is not None:
            found[timing.peer] = other.spread.median / timing.spread.median
    return found


@contextmanager
def hog() -> Iterator[Any]:
    """Keep one core busy with a process of the same priority."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()
