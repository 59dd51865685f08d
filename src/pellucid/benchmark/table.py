"""Table of benchmarks: a name, what it asks, the function."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.benchmark.busy import busy
from pellucid.benchmark.fit import fit
from pellucid.benchmark.inference import inference
from pellucid.benchmark.overhead import tax
from pellucid.benchmark.real_networks import networks
from pellucid.benchmark.results import Report
from pellucid.benchmark.scaling import scaling
from pellucid.benchmark.setting import Setting
from pellucid.benchmark.start_up import start_up
from pellucid.benchmark.train_step import train_step
from pellucid.errors import EngineError

BENCHMARKS: dict[str, Callable[[Setting], Report]] = {
    "train-step": train_step,
    "inference": inference,
    "networks": networks,
    "start-up": start_up,
    "scaling": scaling,
    "fit": fit,
    "busy": busy,
    "tax": tax,
}


def benchmark(name: str, setting: Setting) -> Report:
    """Run a benchmark.

    Parameters
    ----------
    name : str
        One of `BENCHMARKS`.
    setting : Setting

    Returns
    -------
    Report

    Raises
    ------
    EngineError
        If there is none of that name, or a contender that was named is not installed.
    """
    if name not in BENCHMARKS:
        raise EngineError(
            f"benchmark: must be one of {', '.join(BENCHMARKS)}; got {name!r}."
        )
    return BENCHMARKS[name](setting)
