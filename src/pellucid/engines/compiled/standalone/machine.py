"""Emit object files for any processor that LLVM knows."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from pellucid.engines.compiled.codegen import KernelModule, compiler, passes
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.codegen.emit import run_all, run_few
from pellucid.engines.protocol import Array

#: each byte as it stands in a string of LLVM, three characters
_ESCAPED = np.array([list(f"\\{byte:02X}".encode()) for byte in range(256)], np.uint8)
_GLOBAL = re.compile(r"(?m)^@.* = .*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What object files are made for.

    Attributes
    ----------
    triple : str
        LLVM's name of processor, system and binary format.
    target : Target
        Vector width, registers, processor and features.
    abi : str
        Name of the calling convention where the triple leaves it open.
    is_shared : bool
        Whether code may lie anywhere in memory (position independent).
    """

    triple: str
    target: Target
    abi: str = ""
    is_shared: bool = True

    def open(self) -> llvm.TargetMachine:
        """Return LLVM's own object."""
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.target.cpu,
            features=self.target.features,
            opt=3,
            reloc="pic" if self.is_shared else "static",
            abiname=self.abi,
        )


def emit(
    machine: Machine,
    unit: KernelModule,
    constants: dict[str, Array],
    public: Collection[str],
) -> bytes:
    """Return an object file of a module and the constant arrays that it declares.

    Parameters
    ----------
    machine : Machine
    unit : KernelModule
        Declares each constant as an external array.
    constants : dict of str to ndarray
        By name.
    public : collection of str
        Functions that the file defines for others; all else stays inside.
    """
    opened = machine.open()
    parts = [
        compiler.optimized(
            llvm.parse_assembly(text),
            opened,
            run_few if passes.is_written_out(text) else run_all,
        )
        for text in passes.cut(_globals_first(str(unit.module)), unit.written_out)
        if text
    ]
    data = llvm.parse_assembly(_data(constants))
    module = parts.pop()
    data.triple, data.data_layout = module.triple, module.data_layout
    for other in (*parts, data):
        module.link_in(other)
    for name in constants:
        module.get_global_variable(name).linkage = llvm.Linkage.internal
    for function in module.functions:
        if not function.is_declaration and function.name not in public:
            function.linkage = llvm.Linkage.internal
    module.verify()
    return bytes(opened.emit_object(module))


def _globals_first(text: str) -> str:
    """Return a module with its global variables before all functions.

    They stand where they were made, between functions, of which each part of a module
    that is cut has some.
    """
    found = _GLOBAL.findall(text)
    head, first, rest = _GLOBAL.sub("", text).partition("\ndefine ")
    return "\n".join([head, *found]) + first + rest


def _data(constants: dict[str, Array]) -> str:
    """Return constant arrays as IR, little-endian and aligned to cache lines."""
    lines = []
    for name, array in constants.items():
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        text = _ESCAPED[content].tobytes().decode()
        kind = f"[{len(content)} x i8]"
        lines.append(f'@"{name}" = constant {kind} c"{text}", align 64')
    return "\n".join(lines)
