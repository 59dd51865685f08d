"""Libraries for other systems, linked with the example by Zig's compiler for C.

Zig brings the C libraries of all of them (``pip install ziglang``, some 100 MB; a first
run compiles what it needs of each, which takes minutes). Without it these are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange

#: Zig's name of each system, and how its programs run here, if they do
SYSTEMS = {
    "x86-64-v3-windows": ("x86_64-windows-gnu", "/usr/lib/wine/wine64"),
    "aarch64-windows": ("aarch64-windows-gnu", None),
    "aarch64-macos": ("aarch64-macos", None),
    "aarch64": ("aarch64-linux-musl", "qemu-aarch64"),
    "armv7": ("arm-linux-musleabihf", "qemu-arm"),
    "riscv64": ("riscv64-linux-musl", "qemu-riscv64"),
}


def zig() -> list[str] | None:
    """Return the command of Zig, if there is one."""
    found = shutil.which("zig")
    if found is not None:
        return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang"]
    return None


@pytest.mark.parametrize("target", SYSTEMS)
def test_the_example_links_with_the_systems_own_c_library(
    target: str, tmp_path: Path
) -> None:
    command = zig()
    if command is None:
        pytest.skip("there is no Zig: pip install ziglang")
    network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(3))
    model = pl.Model(network, engine="numpy", seed=1)
    bias = np.array([1.0, -2.5, 3.25], np.float32)
    model.load_weights({**model.weights, "dense.bias": bias})
    exchange.write(model, tmp_path / "digits.a", format="native", target=target)
    system, runner = SYSTEMS[target]
    options = ["-target", system, "digits_example.c", "digits.a", "-o", "program.exe"]
    keep = {"ZIG_GLOBAL_CACHE_DIR": os.environ.get("ZIG_GLOBAL_CACHE_DIR", "cache")}
    subprocess.run(
        [*command, "cc", *options], cwd=tmp_path, check=True, env=os.environ | keep
    )
    found = shutil.which(runner) if runner else None
    if found is None:
        return  # it links; nothing here runs it
    run = [found, "program.exe"]
    done = subprocess.run(run, cwd=tmp_path, check=True, capture_output=True, text=True)
    expected = model.predict(np.zeros((1, 4, 4, 1), np.float32))
    np.testing.assert_allclose(np.loadtxt(done.stdout.splitlines()), expected[0], 1e-5)
