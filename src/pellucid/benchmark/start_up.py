"""`start-up`: from nothing to the first finished step, and disk space."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from typing import Any

from pellucid.benchmark.contender_process import ContenderFailure
from pellucid.benchmark.machine_load import DISTURBED
from pellucid.benchmark.results import CaseResult, Report, Round, Timing
from pellucid.benchmark.scripts import Script, run_script
from pellucid.benchmark.setting import Record, Setting
from pellucid.engines.registry import ENGINES

SCRIPTS = (
    Script(contender="pellucid", file="start_pellucid.py", needs=("llvmlite",)),
    Script(contender="torch", file="start_torch.py", needs=("torch",)),
    Script(
        contender="torch compile",
        file="start_torch.py",
        arguments=("compile",),
        needs=("torch",),
    ),
    Script(contender="tensorflow", file="start_tensorflow.py", needs=("tensorflow",)),
    Script(
        contender="tensorflow xla",
        file="start_tensorflow.py",
        arguments=("xla",),
        needs=("tensorflow",),
    ),
    Script(contender="jax", file="start_jax.py", needs=("jax", "optax")),
)
#: variable → subfolder: where each keeps what it has compiled
_CACHES = {
    "PELLUCID_CACHE": "pellucid",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "JAX_COMPILATION_CACHE_DIR": "jax",
}
_DISTRIBUTIONS = {
    "pellucid": ("pellucid",),
    **{
        name: record.packages for name, record in ENGINES.items() if record.is_framework
    },
}


def start_up(setting: Setting) -> Report:
    """Time each contender's import, first step (cold and warm) and whole process."""
    record = Record("start-up", setting)
    rounds = setting.rounds or (2 if setting.is_quick else 5)
    scripts = [s for s in SCRIPTS if s.is_installed and _is_wanted(s, setting)]
    found: dict[str, dict[str, Timing]] = {}
    for i in range(rounds):
        for script in scripts:
            setting.say(f"start-up: {script.contender}, round {i + 1} of {rounds}")
            for what, round_ in _run_cold_and_warm(script, record):
                timings = found.setdefault(what, {})
                timing = timings.get(
                    script.contender, Timing(contender=script.contender)
                )
                timings[script.contender] = replace(
                    timing, rounds=(*timing.rounds, round_)
                )
    cases = [
        CaseResult(name=what, timings=tuple(timings.values()), facts={"batch_size": 64})
        for what, timings in found.items()
    ]
    return record.report(cases, facts={"installed_bytes": measure_installed()})


def _is_wanted(script: Script, setting: Setting) -> bool:
    if setting.peers is None or script.contender == "pellucid":
        return True
    return bool({script.contender, script.contender.split()[0]} & set(setting.peers))


def _run_cold_and_warm(script: Script, record: Record) -> Iterator[tuple[str, Round]]:
    """Run a script with an empty cache, and again with what it has left there."""
    with tempfile.TemporaryDirectory() as folder:
        caches = {name: f"{folder}/{sub}" for name, sub in _CACHES.items()}
        for state in ("cold", "warm"):
            slowdown = record.calibration.slowdown()
            try:
                report = run_script(script, **caches)
            except ContenderFailure as failure:
                record.setting.say(f"left out: {failure}")
                return
            slowdown = max(slowdown, record.calibration.slowdown())
            for what in ("import", "first_step", "process"):
                if what == "import" and state == "cold":
                    continue
                name = what.replace("_", " ")
                yield (
                    name if what == "import" else f"{name}, {state}",
                    Round(
                        times_s=(report[f"{what}_s"],),
                        slowdown=slowdown,
                        is_disturbed=slowdown > DISTURBED,
                    ),
                )


def measure_installed() -> dict[str, int]:
    """Return the bytes on disk of each contender with all that it requires."""
    sizes = {}
    for contender, distributions in _DISTRIBUTIONS.items():
        try:
            names = list_requirements(distributions)
        except metadata.PackageNotFoundError:
            continue
        sizes[contender] = sum(measure_size(name) for name in names)
    return sizes


def list_requirements(names: tuple[str, ...]) -> set[str]:
    """Return the distributions with what they require, without extras."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        requires = metadata.requires(name) or []
        found.add(name)
        for requirement in requires:
            stem = re.match(r"[\w.-]+", requirement)
            is_extra = "extra ==" in requirement
            if stem and not is_extra and _is_installed(stem[0]):
                waiting.append(stem[0])
    return found


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def measure_size(name: str) -> int:
    """Return a distribution's bytes; one installed editable has its source counted."""
    if name == "pellucid":
        return _measure_source()
    files: Any = metadata.files(name) or []
    paths = (file.locate() for file in files)
    return sum(path.stat().st_size for path in paths if path.is_file())


def _measure_source() -> int:
    from pathlib import Path

    import pellucid

    folder = Path(pellucid.__file__).parent
    paths = (p for p in folder.rglob("*") if "__pycache__" not in p.parts)
    return sum(path.stat().st_size for path in paths if path.is_file())
