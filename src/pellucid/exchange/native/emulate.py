"""Run native code in qemu, on the boards it has of microcontrollers, and in wine.

The programs read examples, predict each and write the outputs, by system calls of
Linux or functions of Windows.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pellucid.exchange.native import board, windows
from pellucid.exchange.native.program import (
    RUNTIME,
    Call,
    Emulated,
    as_bytes,
    assemble,
    place,
    require,
    run_command,
)
from pellucid.exchange.native.targets import NativeTarget


class _Calls(NamedTuple):
    """Linux's system calls: the function (number, three arguments) as machine code.

    llvmlite has no assembler for other processors. ``read``, ``write`` and ``exit`` are
    the numbers, ``bits`` the size of a word.
    """

    code: str
    read: int
    write: int
    exit: int
    bits: int


_CALLS = {
    # mov x8, x0; mov x0, x1; mov x1, x2; mov x2, x3; svc 0; ret
    "aarch64": _Calls(
        "e80300aae00301aae10302aae20303aa010000d4c0035fd6", 63, 64, 93, 64
    ),
    # push {r7}; mov r7, r0; mov r0, r1; mov r1, r2; mov r2, r3; svc 0; pop; bx lr
    "armv7": _Calls(
        "04702de50070a0e10100a0e10210a0e10320a0e1000000ef04709de41eff2fe1", 3, 4, 1, 32
    ),
    # mv a7, a0; mv a0, a1; mv a1, a2; mv a2, a3; ecall; ret
    "riscv64": _Calls(
        "930805001385050093050600138606007300000067800000", 63, 64, 93, 64
    ),
}

_SYSTEM = """
@code = internal constant [{length} x i8] c"{code}", align 4

define internal {word} @system({word} %n, {word} %a, ptr %b, {word} %c) nounwind {{
  %r = call {word} @code({word} %n, {word} %a, ptr %b, {word} %c)
  ret {word} %r
}}
"""

_PROGRAM = """
target triple = "{triple}"
@memory = internal global [{memory} x i8] zeroinitializer, align 64
@given = internal global [{takes} x i8] zeroinitializer, align 64
@made = internal global [{gives} x i8] zeroinitializer, align 64
{declared}
declare void @{function}({kinds})

define void @_start() noreturn nounwind {{
entry:
{init}
  br label %example
example:
  br label %read
read:
  %at = phi {word} [ 0, %example ], [ %next, %more ]
  %place = getelementptr i8, ptr @given, {word} %at
  %left = sub {word} {takes}, %at
  %got = call {word} @system({word} {read}, {word} 0, ptr %place, {word} %left)
  %ends = icmp sle {word} %got, 0
  br i1 %ends, label %done, label %more
more:
  %next = add {word} %at, %got
  %whole = icmp uge {word} %next, {takes}
  br i1 %whole, label %predict, label %read
predict:
  call void @{function}({arguments})
  br label %write
write:
  %begin = phi {word} [ 0, %predict ], [ %end, %write ]
  %from = getelementptr i8, ptr @made, {word} %begin
  %rest = sub {word} {gives}, %begin
  %put = call {word} @system({word} {write}, {word} 1, ptr %from, {word} %rest)
  %end = add {word} %begin, %put
  %all = icmp uge {word} %end, {gives}
  br i1 %all, label %example, label %write
done:
  %x = call {word} @system({word} {exit}, {word} 0, ptr null, {word} 0)
  unreachable
}}
"""


def predict(
    library: Path,
    target: NativeTarget,
    *,
    prefix: str,
    memory: int,
    sizes: tuple[list[int], list[int]],
    starts: bool,
    given: bytes,
) -> Emulated:
    """Return what a library makes of examples of float32, packed behind each other.

    Parameters
    ----------
    library : Path
    target : NativeTarget
        Whose emulator runs it.
    prefix : str
        Of its functions.
    memory : int
        Bytes that it is given.
    sizes : pair of lists of int
        Bytes of each input and of each output of an example.
    starts : bool
        Whether its memory must be initialized.
    given : bytes
        All inputs.

    Raises
    ------
    MissingExtraError
        If emulator or linker are not installed.
    ExchangeError
        If the program cannot be linked or does not run.
    """
    arguments = []
    for name, parts in zip(("given", "made"), sizes, strict=True):
        starts_at = [sum(parts[:i]) for i in range(len(parts))]
        arguments += [place(name, at) for at in starts_at]
    arguments.append("ptr @memory")
    init = f"{prefix}_init" if starts else None
    takes, gives = map(sum, sizes)
    call = Call(f"{prefix}_predict", arguments, takes, gives, memory, init)
    return _run(library, target, call, given)


def train(
    library: Path,
    target: NativeTarget,
    *,
    prefix: str,
    memory: int,
    sizes: tuple[int, int],
    count: int,
    rate: float,
    given: bytes,
) -> list[float]:
    """Return the losses of training steps.

    Parameters
    ----------
    library, target, prefix, memory
        As `predict` takes them.
    sizes : pair of int
        Bytes of a batch's images and of its labels.
    count : int
        Examples of a batch.
    rate : float
        Learning rate.
    given : bytes
        Images and labels of each step behind each other.

    Raises
    ------
    MissingExtraError, ExchangeError
        As `predict`.
    """
    (bits,) = struct.unpack("<Q", struct.pack("<d", np.float32(rate)))
    numbers = f"i64 {count}", f"float 0x{bits:016X}"
    places = place("given", 0), place("given", sizes[0])
    arguments = [*places, *numbers, "ptr @made", "ptr @memory"]
    function, init = f"{prefix}_train_step", f"{prefix}_init"
    call = Call(function, arguments, sum(sizes), 4, memory, init)
    made = _run(library, target, call, given).content
    return [float(loss) for loss in np.frombuffer(made, np.float32)]


def _run(library: Path, target: NativeTarget, call: Call, given: bytes) -> Emulated:
    """Link a program and a library, and run it."""
    if target.system == "bare":
        return board.run(library, target, call, given)
    if target.system == "windows":
        return _run_in_wine(library, target, call, given)
    linker = require("ld.lld", "lld", target)
    emulator = require(target.emulator[0], "qemu-user", target)
    calls = _CALLS[target.triple.split("-")[0]]
    text = (_PROGRAM + _SYSTEM + RUNTIME).format(
        triple=target.triple,
        word=f"i{calls.bits}",
        code=as_bytes(calls.code),
        length=len(calls.code) // 2,
        read=calls.read,
        write=calls.write,
        exit=calls.exit,
        **call.words,
    )
    program, source = library.with_name("program.elf"), library.with_name("program.o")
    source.write_bytes(assemble(text, target))
    # -N: one segment that may be run, for the system calls among the constants
    command = [linker, "-N", "-static", "-e", "_start", str(source), str(library)]
    run_command([*command, "-o", str(program)], target, "linked")
    program.chmod(0o755)
    command = [emulator, *target.emulator[1:], str(program)]
    return Emulated(run_command(command, target, "run", given=given))


def _run_in_wine(
    library: Path, target: NativeTarget, call: Call, given: bytes
) -> Emulated:
    linker = require("lld-link", "lld", target)
    wine = require(target.emulator[0], target.emulator[0], target)
    text = (_PROGRAM + RUNTIME).format(
        triple=target.triple,
        word="i64",
        read=windows.READ,
        write=windows.WRITE,
        exit=windows.EXIT,
        **call.words,
    )
    program, source = library.with_name("program.exe"), library.with_name("program.o")
    source.write_bytes(assemble(text + windows.SYSTEM, target))
    imports = library.with_name("imports.lib")
    imports.write_bytes(windows.import_library(windows.KERNEL))
    options = ["/entry:_start", "/subsystem:console", f"/out:{program}"]
    command = [linker, *options, str(source), str(library), str(imports)]
    run_command(command, target, "linked")
    return Emulated(run_command([wine, str(program)], target, "run", given=given))
