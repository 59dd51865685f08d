"""Run native code: here, where this processor can, else in an emulator."""

from __future__ import annotations

import ctypes
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from math import prod
from pathlib import Path

import numpy as np

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange.native import emulate
from pellucid.exchange.native.memory import memory_of
from pellucid.exchange.native.targets import NativeTarget, find_target
from pellucid.exchange.runtime_timing import (
    Array,
    Predict,
    RuntimeMeasurement,
    time_runtime,
)
from pellucid.network import Network

_SYSTEMS = {"macos": "macOS", "windows": "Windows", "bare": "the device"}


class Library:
    """A library and what its header says of it."""

    def __init__(self, path: Path) -> None:
        header = path.with_suffix(".h").read_text(encoding="utf-8")
        found = re.search(r"compiled by pellucid for ([\w-]+):", header)
        self.target = find_target(found[1] if found else None)
        self.path, self.trains = path, "_init(void *memory);" in header
        self.prefix = re.findall(r"void (\w+)_predict\(", header)[0]
        self.memory = memory_of(path, "native")


def native(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Link with the machine's linker and call; foreign code is emulated."""
    library = Library(path)
    takes, gives = (
        [4 * prod(network.shapes[name]) for name in names]
        for names in (network.inputs, network.outputs)
    )
    is_packed = len(takes) > 1 or len(gives) > 1
    shape = (sum(gives) // 4,) if is_packed else network.output_shape
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.a"
        shutil.copy(path, copy)
        if runs_here(library.target):
            made = link(copy, library.target)
            what = f"native code, {library.target.name}"
            return time_runtime(
                lambda: _load(made, library, (takes, gives), shape), images, what
            )
        return _emulate(copy, library, (takes, gives), shape, images)


def runs_here(target: NativeTarget) -> bool:
    """Whether this machine's processor and system run a target's code."""
    from pellucid.engines.compiled.codegen import cpu

    if target.system != "linux" or not sys.platform.startswith("linux"):
        return False
    if platform.machine() != target.triple.split("-")[0]:
        return False
    here = cpu.target()
    needs = target.features.split(",") if target.features else []
    return here.lanes >= target.lanes and set(needs) <= set(here.features.split(","))


def link(library: Path, target: NativeTarget) -> Path:
    """Return a shared library of a static one, beside it."""
    made = library.with_suffix(".so")
    whole = ["--whole-archive", str(library), "--no-whole-archive"]
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    linker = shutil.which("ld.lld") or shutil.which("ld")
    if compiler is not None:
        command = [compiler, "-shared", f"-Wl,{','.join(whole)}"]
    elif linker is not None and not target.levels:
        command = [linker, "-shared", *whole]
    else:
        raise MissingExtraError(
            f"format 'native' for {target.name} must be checked with a linker; got "
            f"none. Install {'gcc' if target.levels else 'lld or gcc'}."
        )
    done = subprocess.run(
        [*command, "-o", str(made)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ExchangeError(
            f"export: native code must be linked; got {done.stderr.strip()[:300]}"
        )
    return made


def _load(
    made: Path,
    library: Library,
    sizes: tuple[list[int], list[int]],
    shape: tuple[int, ...],
) -> Predict:
    loaded = ctypes.CDLL(str(made))
    function = getattr(loaded, f"{library.prefix}_predict")
    memory = np.full(library.memory, 0xFF, np.uint8)  # any content must do
    if library.trains:
        getattr(loaded, f"{library.prefix}_init")(ctypes.c_void_p(memory.ctypes.data))

    def predict(x: Array) -> Array:
        images = np.ascontiguousarray(x, np.float32)
        outputs = np.zeros((len(x), *shape), np.float32)
        for image, output in zip(images, outputs, strict=True):
            places = [*_places(image, sizes[0]), *_places(output, sizes[1])]
            function(*map(ctypes.c_void_p, [*places, memory.ctypes.data]))
        return outputs

    return predict


def _places(array: Array, sizes: list[int]) -> list[int]:
    """Return the addresses of parts that lie behind each other."""
    begins = np.cumsum([0, *sizes[:-1]])
    return [int(array.ctypes.data + begin) for begin in begins]


def _emulate(
    path: Path,
    library: Library,
    sizes: tuple[list[int], list[int]],
    shape: tuple[int, ...],
    images: Array,
) -> RuntimeMeasurement:
    target = library.target
    if not target.emulator:
        where = _SYSTEMS.get(target.system, "a processor that has it")
        raise MissingExtraError(
            f"format 'native' for {target.name} must be checked on {where}; got "
            f"{platform.system()} on {platform.machine()}."
        )
    begin = time.perf_counter()
    made = emulate.predict(
        path,
        target,
        prefix=library.prefix,
        memory=library.memory,
        sizes=sizes,
        starts=library.trains,
        given=np.ascontiguousarray(images, np.float32).tobytes(),
    )
    passed = time.perf_counter() - begin
    outputs = np.frombuffer(made.content, np.float32).reshape(len(images), *shape)
    runtime = f"{target.emulator[0]}, native code"
    if made.instructions is not None:
        runtime += f", {made.instructions:,} instructions"
    return RuntimeMeasurement(
        runtime=runtime,
        outputs=outputs,
        load_s=0.0,
        latency_s=passed / len(images),
    )
