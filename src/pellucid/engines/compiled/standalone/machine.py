"""Emit object files for any processor that LLVM knows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import llvmlite.binding as llvm
import numpy as np

from pellucid.engines.compiled.codegen import KernelModule, compiler, passes
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.codegen.emit import run_all, run_few
from pellucid.engines.protocol import Array

#: by which places of constants in an object file are found, with their numbers behind
_MARK = hashlib.blake2b(b"constant of pellucid", digest_size=16).digest()
_DIVISION = re.compile(r"(?m)^ *(%\S+) = (sdiv|srem) i64 (\S+), (\S+)$")
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
    workers : int
        Most threads that share a call, WebAssembly's; the caller is one.
    """

    triple: str
    target: Target
    abi: str = ""
    is_shared: bool = True
    workers: int = 1

    @property
    def is_arm32(self) -> bool:
        """Whether it is a 32-bit ARM, which has no division of 64-bit numbers."""
        return self.triple.startswith(("armv", "thumb"))

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
    whole = _globals_first(str(unit.module))
    if machine.is_arm32:
        whole = _divide_in_32_bits(whole)
    if "+relaxed-simd" in machine.target.features:  # LLVM fuses only when it is told
        whole = whole.replace("llvm.fmuladd.v4f32", "llvm.wasm.relaxed.madd.v4f32")
    parts = [
        compiler.optimized(
            llvm.parse_assembly(text),
            opened,
            run_few if passes.is_written_out(text) else run_all,
        )
        for text in passes.cut(whole, unit.written_out)
        if text
    ]
    data = llvm.parse_assembly("\n".join([*_declare(constants), *_of_c23(machine)]))
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
    return _fill(bytearray(opened.emit_object(module)), constants)


def _divide_in_32_bits(text: str) -> str:
    """Return IR whose divisions of places and counts need no function of a library."""

    def divide(found: re.Match[str]) -> str:
        result, operation, x, y = found.groups()
        name = result.strip('%"')
        parts = [f'%"{name}.{part}"' for part in ("x", "y", "q")]
        return (
            f"  {parts[0]} = trunc i64 {x} to i32\n"
            f"  {parts[1]} = trunc i64 {y} to i32\n"
            f"  {parts[2]} = {operation} i32 {parts[0]}, {parts[1]}\n"
            f"  {result} = sext i32 {parts[2]} to i64"
        )

    return _DIVISION.sub(divide, text)


#: what LLVM calls for a larger and a smaller number where there is no FPU: C23's
#: functions, which C libraries of microcontrollers lack; −0 is less than 0
_EXTREME = """
define float @{name}(float %x, float %y) nounwind {{
  %is_nan = fcmp uno float %x, %y
  %nan = fadd float %x, %y
  %is_first = fcmp {compares} float %x, %y
  %chosen = select i1 %is_first, float %x, float %y
  %a = bitcast float %x to i32
  %b = bitcast float %y to i32
  %bits = {joins} i32 %a, %b
  %joined = bitcast i32 %bits to float
  %are_same = fcmp oeq float %x, %y
  %number = select i1 %are_same, float %joined, float %chosen
  %result = select i1 %is_nan, float %nan, float %number
  ret float %result
}}
"""


def _of_c23(machine: Machine) -> list[str]:
    if "-fpregs" not in machine.target.features:
        return []
    return [
        _EXTREME.format(name="fmaximumf", compares="ogt", joins="and"),
        _EXTREME.format(name="fminimumf", compares="olt", joins="or"),
    ]


def _globals_first(text: str) -> str:
    """Return a module with its global variables before all functions.

    They stand where they were made, between functions, of which each part of a module
    that is cut has some.
    """
    found = _GLOBAL.findall(text)
    head, first, rest = _GLOBAL.sub("", text).partition("\ndefine ")
    return "\n".join([head, *found]) + first + rest


def _content(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def _declare(constants: dict[str, Array]) -> Iterator[str]:
    """Give constant arrays as IR: a mark and zeros, for `_fill`, aligned to lines.

    Millions of weights as LLVM's text take half a minute. What is initialized
    externally no pass takes for the zeros that stand here.
    """
    for i, (name, array) in enumerate(constants.items()):
        mark, zeros = _MARK + i.to_bytes(16, "little"), max(array.nbytes - 32, 0)
        text = "".join(f"\\{byte:02X}" for byte in mark)
        kind = f"<{{ [32 x i8], [{zeros} x i8] }}>"
        value = f'<{{ [32 x i8] c"{text}", [{zeros} x i8] zeroinitializer }}>'
        yield f'@"{name}" = externally_initialized constant {kind} {value}, align 64'


def _fill(code: bytearray, constants: dict[str, Array]) -> bytes:
    """Write constant arrays, little-endian, where an object file has their marks.

    COFF's checksum of a section is another one then; it counts for communal data only.
    """
    arrays, found, at = list(constants.values()), [], 0
    while (start := code.find(_MARK, at)) >= 0:
        at = start + len(_MARK) + 16
        found.append(int.from_bytes(code[start + len(_MARK) : at], "little"))
        content = _content(arrays[found[-1]])
        code[start:at] = bytes(at - start)
        code[start : start + len(content)] = content.data
        at = max(at, start + len(content))
    if sorted(found) != list(range(len(arrays))):
        raise RuntimeError("each constant must stand in the object file once")
    return bytes(code)
