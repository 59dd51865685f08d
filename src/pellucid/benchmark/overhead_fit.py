"""`tax`, whole fits: engines beside generated scripts."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pellucid.benchmark.contender_process import ContenderFailure
from pellucid.benchmark.fit import add_round
from pellucid.benchmark.results import CaseResult, Timing
from pellucid.benchmark.scripts import Script
from pellucid.benchmark.setting import Record, Setting
from pellucid.engines.registry import ENGINES

#: what a quick run trains on
QUICK_IMAGES = 6400


def time_fits(
    setting: Setting, record: Record, frameworks: list[str], network: str
) -> Iterator[CaseResult]:
    """Time a fit on each engine beside the script for its framework.

    Both read the data, train as the recipe says, and test; imports are not timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        for engine in frameworks:
            framework = ENGINES[engine].script_framework
            path = Path(folder) / f"{framework}_script.py"
            try:
                _write(network, framework, path)
            except ContenderFailure as failure:
                setting.say(f"left out: {failure}")
                continue
            yield _time_case(setting, record, engine, network, path)


def _write(network: str, framework: str, path: Path) -> None:
    command = [sys.executable, "-m", "pellucid", "code", network]
    command += ["--framework", framework, "--output", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["nothing"]
        raise ContenderFailure(
            f"{framework}: the script must be written; got {words[-1]}"
        )


def _time_case(
    setting: Setting, record: Record, engine: str, network: str, path: Path
) -> CaseResult:
    epochs, rounds = (
        setting.epochs or 1,
        setting.rounds or (2 if setting.is_quick else 5),
    )
    limit = QUICK_IMAGES if setting.is_quick else None
    scripts = _make_scripts(engine, network, path, epochs=epochs, limit=limit)
    timings = {
        script.contender: Timing(contender=script.contender) for script in scripts
    }
    for i in range(rounds):
        # who begins changes from round to round
        for script in scripts if i % 2 == 0 else scripts[::-1]:
            setting.say(f"fit: {script.contender}, round {i + 1} of {rounds}")
            timings[script.contender] = add_round(
                timings[script.contender], script, record
            )
    images = f"{limit} of MNIST" if limit else "all"
    return CaseResult(
        name=f"a fit on {engine}: {network}, epochs {epochs}, images {images}",
        timings=tuple(timings.values()),
        facts={"network": network, "epochs": epochs, "limit": limit},
    )


def _make_scripts(
    engine: str, network: str, path: Path, *, epochs: int, limit: int | None
) -> list[Script]:
    framework = ENGINES[engine].script_framework
    changes: dict[str, Any] = {"epochs": epochs}
    options = ["--epochs", str(epochs)]
    if limit is not None:
        changes["data.limit"] = limit
        options += ["--limit", str(limit)]
    return [
        Script(
            contender=f"pellucid {engine}",
            file="fit_engine.py",
            arguments=(network, engine, json.dumps(changes)),
        ),
        Script(
            contender=f"{framework} script",
            file="fit_generated.py",
            arguments=(str(path), framework, *options),
        ),
    ]
