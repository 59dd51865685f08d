"""Processors and systems that native code is written for."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pellucid.errors import ExchangeError

if TYPE_CHECKING:
    from pellucid.engines.compiled.standalone import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeTarget:
    """One processor and system.

    Attributes
    ----------
    name : str
        As in ``--target``.
    about : str
        One line for people.
    triple, cpu, features, abi : str
        LLVM's names.
    lanes, registers : int
        float32 numbers in a vector register, and how many of these there are.
    system : {"linux", "macos", "windows", "bare", "wasm"}
        Whose binary format and calling convention it has.
    emulator : tuple of str
        The command that runs its programs on Linux; empty where there is none.
    workers : int
        Most threads that share a call, the caller included.
    levels : tuple of str
        Targets of which one library holds the code of all, the least first; the best
        that the processor has is chosen at run time. Empty for one processor.
    """

    name: str
    about: str
    triple: str
    cpu: str = "generic"
    features: str = ""
    abi: str = ""
    lanes: int = 4
    registers: int = 16
    system: str = "linux"
    emulator: tuple[str, ...] = ()
    workers: int = 1
    levels: tuple[str, ...] = ()

    def for_integers(self) -> NativeTarget:
        """Return the target with the level that integer networks gain from."""
        if not self.levels:
            return self
        return replace(self, levels=(*self.levels, _VNNI))

    @property
    def machine(self) -> Machine:
        """What the compiled engine makes code for."""
        from pellucid.engines.compiled.codegen.cpu import Target
        from pellucid.engines.compiled.standalone import Machine

        target = Target(
            self.lanes,
            self.registers,
            self.cpu,
            self.features,
            is_x86=self.triple.startswith("x86_64"),
        )
        return Machine(
            triple=self.triple,
            target=target,
            abi=self.abi,
            is_shared=self.system not in ("bare", "wasm"),
            workers=self.workers,
        )


#: of what multiplies bytes by one instruction
_VNNI = "x86-64-v4-vnni"


def _x86(level: int, lanes: int, registers: int, with_: str) -> NativeTarget:
    return NativeTarget(
        name=f"x86-64-v{level}",
        about=f"Linux on x86-64 with {with_}",
        triple="x86_64-unknown-linux-gnu",
        cpu=f"x86-64-v{level}",
        lanes=lanes,
        registers=registers,
    )


def _wasm(suffix: str, with_: str, features: str, workers: int = 1) -> NativeTarget:
    return NativeTarget(
        name=f"wasm32{suffix}",
        about=f"WebAssembly {with_}",
        triple="wasm32-unknown-unknown",
        features=",".join(filter(None, ("+bulk-memory", features))),
        system="wasm",
        workers=workers,
    )


_ALL = (
    _x86(2, 4, 16, "SSE4.2"),
    _x86(3, 8, 16, "AVX2 and FMA"),
    _x86(4, 16, 32, "AVX-512"),
    replace(_x86(4, 16, 32, "AVX-512 and VNNI"), name=_VNNI, features="+avx512vnni"),
    NativeTarget(
        name="x86-64",
        about="Linux on x86-64, the best of three levels chosen at run time",
        triple="x86_64-unknown-linux-gnu",
        cpu="x86-64-v2",
        levels=("x86-64-v2", "x86-64-v3", "x86-64-v4"),
    ),
    NativeTarget(
        name="x86-64-v3-windows",
        about="Windows on x86-64 with AVX2 and FMA",
        triple="x86_64-pc-windows-gnu",
        cpu="x86-64-v3",
        lanes=8,
        system="windows",
        emulator=("wine64",),
    ),
    NativeTarget(
        name="aarch64",
        about="Linux and Android on 64-bit ARM",
        triple="aarch64-unknown-linux-gnu",
        features="+neon",
        registers=32,
        emulator=("qemu-aarch64",),
    ),
    NativeTarget(
        name="aarch64-dotprod",
        about="Linux and Android on 64-bit ARM with dot products of bytes (ARMv8.2)",
        triple="aarch64-unknown-linux-gnu",
        features="+neon,+dotprod",
        registers=32,
        emulator=("qemu-aarch64",),
    ),
    NativeTarget(
        name="aarch64-macos",
        about="macOS on Apple silicon",
        triple="arm64-apple-macosx11.0.0",
        cpu="apple-m1",
        features="+dotprod",
        registers=32,
        system="macos",
    ),
    NativeTarget(
        name="aarch64-windows",
        about="Windows on 64-bit ARM",
        triple="aarch64-pc-windows-gnu",
        features="+neon",
        registers=32,
        system="windows",
    ),
    NativeTarget(
        name="armv7",
        about="Linux on 32-bit ARM with NEON, hard float",
        triple="armv7-unknown-linux-gnueabihf",
        cpu="cortex-a7",
        emulator=("qemu-arm", "-cpu", "cortex-a7"),
    ),
    NativeTarget(
        name="thumbv7em",
        about="Cortex-M4 and M7 with single-precision FPU, hard float",
        triple="thumbv7em-none-eabihf",
        cpu="cortex-m4",
        system="bare",
        emulator=("qemu-system-arm", "-M", "mps2-an386"),
    ),
    NativeTarget(
        name="thumbv7em-soft",
        about="Cortex-M4 without FPU, soft float",
        triple="thumbv7em-none-eabi",
        cpu="cortex-m4",
        features="-vfp4d16sp,-fpregs,-fp64",
        system="bare",
        emulator=("qemu-system-arm", "-M", "mps2-an386"),
    ),
    NativeTarget(
        name="thumbv8m",
        about="Cortex-M33 with single-precision FPU, hard float",
        triple="thumbv8m.main-none-eabihf",
        cpu="cortex-m33",
        system="bare",
        emulator=("qemu-system-arm", "-M", "mps2-an505"),
    ),
    NativeTarget(
        name="riscv64",
        about="Linux on 64-bit RISC-V (rv64gc)",
        triple="riscv64-unknown-linux-gnu",
        cpu="generic-rv64",
        features="+m,+a,+f,+d,+c",
        abi="lp64d",
        emulator=("qemu-riscv64",),
    ),
    _wasm("", "with SIMD", "+simd128"),
    _wasm("-threads", "with SIMD and up to 8 threads", "+simd128,+atomics", workers=8),
    _wasm("-relaxed", "with relaxed SIMD: fused sums", "+simd128,+relaxed-simd"),
    _wasm("-scalar", "without SIMD", ""),
)

TARGETS: dict[str, NativeTarget] = {target.name: target for target in _ALL}


def find_target(name: str | None, *, is_integer: bool = False) -> NativeTarget:
    """Return the target of that name; this machine's where none is named.

    ``is_integer`` says that the network computes in integers.

    Raises
    ------
    ExchangeError
        If there is no such target, or none for this machine.
    """
    named = name if name is not None else _own(is_integer=is_integer)
    if named not in TARGETS:
        got = "none, and none is this machine's" if name is None else repr(name)
        raise ExchangeError(
            f"export: target must be one of {', '.join(TARGETS)}; got {got}."
        )
    found = TARGETS[named]
    return found.for_integers() if is_integer else found


def _own(*, is_integer: bool) -> str:
    """Return the name of this machine's target; empty where it has none."""
    from pellucid.engines.compiled.codegen import cpu

    here = cpu.target()
    if sys.platform.startswith("linux") and here.is_x86:
        if is_integer and here.dot == "vnni":
            return _VNNI
        return {4: "x86-64-v2", 8: "x86-64-v3", 16: "x86-64-v4"}[here.lanes]
    systems = {"linux": "", "darwin": "-macos", "win32": "-windows"}
    suffix = systems.get(sys.platform)
    arm = platform.machine().lower() in ("aarch64", "arm64")
    return f"aarch64{suffix}" if arm and suffix is not None else ""
