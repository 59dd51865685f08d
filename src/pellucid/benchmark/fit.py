"""`fit`: a whole training with data, shuffling, metrics, validation."""

from __future__ import annotations

from dataclasses import replace

from pellucid.benchmark.contender_process import ContenderFailure
from pellucid.benchmark.machine_load import DISTURBED
from pellucid.benchmark.results import CaseResult, Report, Round, Timing
from pellucid.benchmark.scripts import Script, run_script
from pellucid.benchmark.setting import Record, Setting

SCRIPTS = (
    Script(contender="pellucid", file="fit_pellucid.py", needs=("llvmlite",)),
    Script(contender="torch", file="fit_torch.py", needs=("torch",)),
    Script(
        contender="torch bound",
        file="fit_torch.py",
        environment={"OMP_PROC_BIND": "true"},
        needs=("torch",),
    ),
)


def fit(setting: Setting) -> Report:
    """Time the training of mnist-torch as a script does it, with its peak memory."""
    record = Record("fit", setting)
    epochs = setting.epochs or (1 if setting.is_quick else 5)
    rounds = setting.rounds or (1 if setting.is_quick else 3)
    timings: dict[str, Timing] = {}
    for i in range(rounds):
        for script in SCRIPTS:
            if not script.is_installed:
                continue
            setting.say(f"fit: {script.contender}, round {i + 1} of {rounds}")
            timing = timings.get(script.contender, Timing(contender=script.contender))
            timings[script.contender] = add_round(timing, script, record, str(epochs))
    case = CaseResult(
        name=f"fit of mnist-torch, {epochs} epochs",
        timings=tuple(timings.values()),
        facts={"epochs": epochs, "batch_size": 64, "images": "MNIST"},
    )
    return record.report([case], facts={"peak_memory_of_torch": _memory_share(case)})


def add_round(timing: Timing, script: Script, record: Record, *more: str) -> Timing:
    """Run a script once more; return its timing with that turn, or with its failure."""
    slowdown = record.calibration.slowdown()
    try:
        report = run_script(script, *more)
    except ContenderFailure as failure:
        record.setting.say(f"left out: {failure}")
        return replace(timing, failure=str(failure), rounds=())
    slowdown = max(slowdown, record.calibration.slowdown())
    round_ = Round(
        times_s=(report["fit_s"],),
        slowdown=slowdown,
        is_disturbed=slowdown > DISTURBED,
    )
    return replace(
        timing,
        rounds=(*timing.rounds, round_),
        peak_bytes=max(timing.peak_bytes or 0, report["peak_bytes"]),
        extra={"accuracy": report["accuracy"], "process_s": report["process_s"]},
    )


def _memory_share(case: CaseResult) -> float | None:
    """Return pellucid's peak memory as a share of PyTorch's."""
    ours, theirs = case.timing("pellucid"), case.timing("torch")
    if not (ours and theirs and ours.peak_bytes and theirs.peak_bytes):
        return None
    return round(ours.peak_bytes / theirs.peak_bytes, 3)
