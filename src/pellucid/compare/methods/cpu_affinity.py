"""Process pinned to some cores from its start.

NumPy's own libraries count the processors when they are loaded: a process that is held
to one only afterwards computes with two threads on it, which wait for each other.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_PIN = """
import os, runpy, sys
os.sched_setaffinity(0, map(int, sys.argv.pop(1).split(",")))
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def pinned_command(module: str, cpus: Sequence[int], *words: str) -> list[str]:
    """Return the command that runs a module on some processors; on all if none."""
    if not cpus:
        return [sys.executable, "-m", module, *words]
    return [sys.executable, "-c", _PIN, ",".join(map(str, cpus)), module, *words]
