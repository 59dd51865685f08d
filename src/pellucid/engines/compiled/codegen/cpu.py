"""Target processor: vector width, registers and LLVM features."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from dataclasses import dataclass
from typing import Literal

import llvmlite.binding as llvm

from pellucid.errors import EngineError

#: lanes → (LLVM's name of a processor that has them, vector registers)
FORCED = {16: ("x86-64-v4", 32), 8: ("x86-64-v3", 16), 4: ("x86-64-v2", 16)}
#: float32 numbers in the widest registers there are
MOST_LANES = 16
#: Linux, x86-64: the call that asks for more of the processor's state, and which
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18


@dataclass(frozen=True, slots=True)
class Target:
    """What code is made for.

    Attributes
    ----------
    lanes : int
        float32 numbers in one vector register: 16 (AVX-512), 8 (AVX2) or 4.
    registers : int
        Vector registers.
    cpu, features : str
        LLVM's name of the processor and its feature string.
    is_x86 : bool
        Whether x86 intrinsics (pause, mxcsr) exist.
    has_amx : bool
        Whether the processor multiplies tiles of bfloat16, and this process may.
    """

    lanes: int
    registers: int
    cpu: str
    features: str
    is_x86: bool
    has_amx: bool = False

    @property
    def dot(self) -> Literal["vnni", "sdot", "pairs", "plain"]:
        """How products of bytes are added up, see `kernels.quantized.dot`."""
        has = self.features.split(",")
        if "+avx512vnni" in has and self.lanes == MOST_LANES:
            return "vnni"
        if "+dotprod" in has:
            return "sdot"
        return "pairs" if self.is_x86 or "+simd128" in has else "plain"

    @property
    def key(self) -> str:
        """What compiled code depends on, as text."""
        return f"{self.lanes} {self.registers} {self.cpu} {self.features}"


def target(lanes: int | None = None) -> Target:
    """Return this machine's target, or one held to fewer lanes.

    Parameters
    ----------
    lanes : {4, 8, 16}, optional
        Held to that many; the environment variable ``PELLUCID_LANES`` where it is
        left out, else as many as the processor has.

    Raises
    ------
    EngineError
        If the number is another one, or more than the processor has.
    """
    here = _native()
    asked = lanes or int(os.environ.get("PELLUCID_LANES") or here.lanes)
    if asked == here.lanes:
        return here
    if asked not in FORCED or asked > here.lanes:
        fitting = ", ".join(str(n) for n in sorted(FORCED) if n <= here.lanes)
        raise EngineError(
            f"engine 'compiled': lanes must be one of {fitting} on this processor; "
            f"got lanes={asked}."
        )
    if not here.is_x86:
        return Target(asked, here.registers, here.cpu, here.features, is_x86=False)
    name, registers = FORCED[asked]
    return Target(asked, registers, name, "", is_x86=True)


@functools.cache
def _native() -> Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    flat, name = features.flatten(), llvm.get_host_cpu_name()
    is_x86 = llvm.get_process_triple().split("-")[0] in ("x86_64", "amd64", "i686")
    if not is_x86:
        return Target(4, 32, name, flat, is_x86=False)
    if all(features.get(f) for f in ("avx512f", "avx512vl", "avx512bw", "avx512dq")):
        needed = "amx-tile", "amx-bf16", "avx512bf16"
        has_tiles = all(features.get(f) for f in needed)
        has_amx = has_tiles and _may_use_tiles()
        return Target(16, 32, name, flat, is_x86=True, has_amx=has_amx)
    return Target(8 if features.get("avx2") else 4, 16, name, flat, is_x86=True)


def _may_use_tiles() -> bool:
    """Ask Linux for the tiles' registers, which a process has only on request."""
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        return False  # the numbers of calls are this system's
    system = ctypes.CDLL(None, use_errno=True)
    asked = ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return bool(system.syscall(*asked) == 0)


def default_threads() -> int:
    """Return how many physical cores this process may use."""
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
    return len({_siblings(core) for core in allowed}) or 1


def _siblings(core: int) -> str:
    path = f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return str(core)
