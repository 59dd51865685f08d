"""Run native code on microcontroller boards that qemu has, by semihosting.

The program is at the board's reset vector, reads examples from a file of the host,
predicts each and writes the outputs and the ticks of a timer. With ``-icount`` each
instruction takes a nanosecond of the board's time, so the ticks count instructions.

References
----------
Arm, Semihosting for AArch32 and AArch64, 2024; Arm, AN386 and AN505, MPS2 images.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pellucid.errors import ExchangeError
from pellucid.exchange.native.program import (
    RUNTIME,
    Call,
    Emulated,
    as_bytes,
    assemble,
    require,
    run_command,
)
from pellucid.exchange.native.targets import NativeTarget


class _Board(NamedTuple):
    """Addresses of a board: code, stack and data; its timer, nanoseconds a tick."""

    code: int
    stack: int
    data: int
    size: int
    timer: int
    tick_ns: int


_BOARDS = {
    "mps2-an386": _Board(0x0, 0x20400000, 0x21000000, 16 << 20, 0x40000000, 40),
    "mps2-an505": _Board(0x10000000, 0x38400000, 0x80000000, 16 << 20, 0x50000000, 50),
}

_SCRIPT = """
SECTIONS {{
  . = {code};
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) *(.data*) }}
  .ARM.exidx : {{ *(.ARM.exidx*) }}
  . = {data};
  .bss (NOLOAD) : {{ *(.bss*) *(COMMON) }}
}}
"""

# bkpt 0xab; bx lr
_SEMIHOST = "abbe7047"
_OPEN, _CLOSE, _WRITE, _READ, _EXIT = 1, 2, 5, 6, 0x18
_TO_READ, _TO_WRITE = 1, 5  # "rb", "wb"
_DONE = 0x20026  # ADP_Stopped_ApplicationExit

_PROGRAM = """
target triple = "{triple}"
@memory = internal global [{memory} x i8] zeroinitializer, align 64
@given = internal global [{takes} x i8] zeroinitializer, align 64
@made = internal global [{gives} x i8] zeroinitializer, align 64
@ticks = internal global i32 0
@block = internal global [3 x i32] zeroinitializer
@name_given = internal constant [10 x i8] c"given.bin\\00"
@name_made = internal constant [9 x i8] c"made.bin\\00"
{declared}
declare void @{function}({kinds})

@code = internal constant [{length} x i8] c"{code}", align 4
@vectors = constant [2 x ptr] [ptr inttoptr (i32 {stack} to ptr), ptr @_start],
  section ".vectors"

define internal i32 @host(i32 %n, i32 %a, i32 %b, i32 %c) nounwind noinline {{
  %second = getelementptr i32, ptr @block, i32 1
  %third = getelementptr i32, ptr @block, i32 2
  store volatile i32 %a, ptr @block
  store volatile i32 %b, ptr %second
  store volatile i32 %c, ptr %third
  %place = getelementptr i8, ptr @code, i32 1
  %r = call i32 %place(i32 %n, ptr @block)
  ret i32 %r
}}
define void @_start() noreturn nounwind {{
  store volatile i32 15728640, ptr inttoptr (i32 3758157192 to ptr)
  call void @main()
  unreachable
}}
define internal void @main() noinline nounwind {{
entry:
  %timer = inttoptr i32 {timer} to ptr
  %value = getelementptr i32, ptr %timer, i32 1
  %reload = getelementptr i32, ptr %timer, i32 2
  store volatile i32 -1, ptr %reload
  store volatile i32 -1, ptr %value
  store volatile i32 1, ptr %timer
  %from = ptrtoint ptr @name_given to i32
  %in = call i32 @host(i32 {open}, i32 %from, i32 {reads}, i32 9)
  %to = ptrtoint ptr @name_made to i32
  %out = call i32 @host(i32 {open}, i32 %to, i32 {writes}, i32 8)
  %given = ptrtoint ptr @given to i32
  %made = ptrtoint ptr @made to i32
  %ticks = ptrtoint ptr @ticks to i32
{init}
  br label %example
example:
  %left = call i32 @host(i32 {read}, i32 %in, i32 %given, i32 {takes})
  %whole = icmp eq i32 %left, 0
  br i1 %whole, label %predict, label %done
predict:
  %before = load volatile i32, ptr %value
  call void @{function}({arguments})
  %after = load volatile i32, ptr %value
  %passed = sub i32 %before, %after
  store volatile i32 %passed, ptr @ticks
  %o = call i32 @host(i32 {write}, i32 %out, i32 %made, i32 {gives})
  %t = call i32 @host(i32 {write}, i32 %out, i32 %ticks, i32 4)
  br label %example
done:
  %c = call i32 @host(i32 {close}, i32 %out, i32 0, i32 0)
  %place = getelementptr i8, ptr @code, i32 1
  %x = call i32 %place(i32 {exit}, ptr inttoptr (i32 {ends} to ptr))
  unreachable
}}
"""


def run(library: Path, target: NativeTarget, call: Call, given: bytes) -> Emulated:
    """Link a program and a library for a board, and run it there.

    Parameters
    ----------
    library : Path
        A static library; other files are written beside it.
    target : NativeTarget
        ``emulator`` ends with the board's name.
    call : Call
        What is called for each part of ``given``.
    given : bytes
        What the calls read, behind each other.

    Raises
    ------
    MissingExtraError
        If qemu-system-arm, a linker or GCC's runtime library is not installed.
    ExchangeError
        If the program needs more memory than the board has, or does not run.
    """
    linker = require("ld.lld", "lld", target)
    emulator = require(target.emulator[0], "qemu-system-arm", target)
    place = _BOARDS[target.emulator[-1]]
    used = call.memory + call.takes + call.gives
    if used > place.size:
        raise ExchangeError(
            f"export: native code for {target.name} must need at most {place.size:,} "
            f"bytes to be checked on {target.emulator[-1]}; got {used:,}."
        )
    folder = library.parent
    program, source, script = (
        folder / f"program.{ending}" for ending in ("elf", "o", "ld")
    )
    source.write_bytes(assemble(_text(place, target, call), target))
    script.write_text(_SCRIPT.format(code=place.code, data=place.data))
    runtime = _libgcc(target)
    command = [linker, "-static", "-T", str(script), str(source), str(library), runtime]
    run_command([*command, "-o", str(program)], target, "linked")
    (folder / "given.bin").write_bytes(given)
    command = [emulator, *target.emulator[1:], "-nographic", "-monitor", "none"]
    command += ["-serial", "none", "-icount", "shift=0", "-kernel", str(program)]
    command += ["-semihosting-config", "enable=on,target=native"]
    run_command(command, target, "run", folder=folder)
    rows = np.frombuffer((folder / "made.bin").read_bytes(), np.uint8)
    rows = rows.reshape(-1, call.gives + 4)
    ticks = int(rows[-1, call.gives :].copy().view(np.uint32)[0])
    return Emulated(rows[:, : call.gives].tobytes(), ticks * place.tick_ns)


def _text(place: _Board, target: NativeTarget, call: Call) -> str:
    return (_PROGRAM + RUNTIME).format(
        triple=target.triple,
        word="i32",
        code=as_bytes(_SEMIHOST),
        length=len(_SEMIHOST) // 2,
        stack=place.stack,
        timer=place.timer,
        open=_OPEN,
        close=_CLOSE,
        read=_READ,
        write=_WRITE,
        exit=_EXIT,
        reads=_TO_READ,
        writes=_TO_WRITE,
        ends=_DONE,
        **call.words,
    )


def _libgcc(target: NativeTarget) -> str:
    """Return the path of GCC's runtime library for a target."""
    compiler = require("arm-none-eabi-gcc", "gcc-arm-none-eabi", target)
    core = "cortex-m33" if target.triple.startswith("thumbv8m") else "cortex-m4"
    has_fpu = "-fpregs" not in target.features
    floats = "-mfloat-abi=hard -mfpu=fpv4-sp-d16" if has_fpu else "-mfloat-abi=soft"
    command = [compiler, f"-mcpu={core}", "-mthumb", *floats.split()]
    said = run_command([*command, "-print-libgcc-file-name"], target, "linked")
    return os.fsdecode(said).strip()
