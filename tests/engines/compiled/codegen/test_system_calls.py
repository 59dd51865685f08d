"""What the workers call of other systems, as their linkers see it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pellucid.engines.compiled.codegen import KernelModule
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.codegen.system_calls import WINDOWS
from pellucid.engines.compiled.kernels import threads
from pellucid.engines.compiled.standalone.machine import Machine, emit


@pytest.mark.parametrize(
    ("triple", "linker", "command"),
    [
        ("x86_64-pc-windows-msvc", "lld-link", "/dll /noentry"),
        ("aarch64-pc-windows-msvc", "lld-link", "/dll /noentry"),
        (
            "arm64-apple-macosx11.0.0",
            "ld64.lld",
            "-arch arm64 -platform_version macos 11 11 -dylib",
        ),
    ],
)
def test_workers_call_nothing_but_what_each_system_has(
    triple: str, linker: str, command: str, tmp_path: Path
) -> None:
    program = shutil.which(linker) or shutil.which(f"{linker}-14")
    if program is None:
        pytest.skip(f"there is no {linker}")
    is_x86 = triple.startswith("x86")
    unit = KernelModule(lanes=4, registers=16, is_x86=is_x86)
    unit.define("work", threads.work, None)
    unit.define("submit", threads.submit, None)
    target = Target(4, 16, "generic", "", is_x86=is_x86)
    machine = Machine(triple=triple, target=target)
    (tmp_path / "workers.o").write_bytes(emit(machine, unit, {}, ["work", "submit"]))
    done = subprocess.run(
        [program, *command.split(), "workers.o"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    needed = set(re.findall(r"undefined symbol: _?(\w+)", done.stderr))
    assert needed == set(WINDOWS), done.stderr
