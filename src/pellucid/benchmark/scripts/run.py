"""Run a script in a process of its own, from start to end."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pellucid.benchmark.contender_process import ContenderFailure

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One script with its arguments.

    Attributes
    ----------
    peer : str
        As the tables show it.
    file : str
        Its name in this folder.
    arguments : tuple of str
    environment : dict
    needs : tuple of str
        Packages without which it is left out.
    """

    contender: str
    file: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether all that it needs can be imported."""
        return all(importlib.util.find_spec(name) for name in self.needs)


def run_script(script: Script, *more: str, **environment: str) -> dict[str, Any]:
    """Run a script and return what it reports, with ``process_s``: start to end.

    Raises
    ------
    PeerFailure
        If it fails.
    """
    settings = {**os.environ, **script.environment, **environment}
    # what is installed has its bytecode; a checkout's is written in the cold round
    settings.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    run = subprocess.run(
        [sys.executable, str(_FOLDER / script.file), *script.arguments, *more],
        env=settings,
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - begin
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["nothing"]
        raise ContenderFailure(f"{script.contender}: must end well; got {words[-1]}")
    report: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return {**report, "process_s": taken}
