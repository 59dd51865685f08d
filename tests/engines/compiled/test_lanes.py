"""Engine held to fewer lanes: AVX2, and what any processor has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pellucid.engines.compiled.codegen import cpu

FEWER = [lanes for lanes in (4, 8) if lanes < cpu.target().lanes]


@pytest.mark.slow
@pytest.mark.parametrize("lanes", FEWER)
def test_layers_agree_with_numpy_on_fewer_lanes(lanes):
    here = Path(__file__).parent
    environment = {**os.environ, "PELLUCID_LANES": str(lanes)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    chosen = "conv or pool or dense or batch or mnist"
    done = subprocess.run(
        [*command, "-k", chosen, str(here / "lowering" / "test_layers.py")],
        env=environment,
        capture_output=True,
        text=True,
        cwd=here.parents[2],
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_environment_chooses_the_lanes(monkeypatch):
    monkeypatch.setenv("PELLUCID_LANES", "4")
    assert cpu.target().lanes == 4
    assert cpu.target().key != cpu._native().key
