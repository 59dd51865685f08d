"""Programs that run native code in qemu: one object of ours, linked by lld.

The program is written as LLVM IR with Linux's system calls, so that no compiler and no
C library of the other processor is needed: it reads examples from stdin, predicts each
and writes the outputs to stdout.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm
import numpy as np

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange.native.targets import NativeTarget

_TIMEOUT_S = 600


class _Calls(NamedTuple):
    """Linux's system calls: the function (number, three arguments) as machine code.

    llvmlite has no assembler for other processors. ``read``, ``write`` and ``exit`` are
    the numbers, ``bits`` the size of a word; Thumb's functions have odd addresses.
    """

    code: str
    read: int
    write: int
    exit: int
    bits: int
    is_thumb: bool = False


# push {r7}; mov r7, r0; mov r0, r1; mov r1, r2; mov r2, r3; svc 0; pop {r7}; bx lr
_THUMB = _Calls("80b40746084611461a4600df80bc7047", 3, 4, 1, 32, is_thumb=True)
_CALLS = {
    # mov x8, x0; mov x0, x1; mov x1, x2; mov x2, x3; svc 0; ret
    "aarch64": _Calls(
        "e80300aae00301aae10302aae20303aa010000d4c0035fd6", 63, 64, 93, 64
    ),
    # as Thumb
    "armv7": _Calls(
        "04702de50070a0e10100a0e10210a0e10320a0e1000000ef04709de41eff2fe1", 3, 4, 1, 32
    ),
    # mv a7, a0; mv a0, a1; mv a1, a2; mv a2, a3; ecall; ret
    "riscv64": _Calls(
        "930805001385050093050600138606007300000067800000", 63, 64, 93, 64
    ),
    "thumbv7em": _THUMB,
    "thumbv8m.main": _THUMB,
}

_PROGRAM = """
target triple = "{triple}"
@memory = internal global [{memory} x i8] zeroinitializer, align 64
@given = internal global [{takes} x i8] zeroinitializer, align 64
@made = internal global [{gives} x i8] zeroinitializer, align 64
{declared}
declare void @{function}({kinds})

@code = internal constant [{length} x i8] c"{code}", align 4

define internal {word} @system({word} %n, {word} %a, ptr %b, {word} %c) nounwind {{
  %place = getelementptr i8, ptr @code, i32 {odd}
  %r = call {word} %place({word} %n, {word} %a, ptr %b, {word} %c)
  ret {word} %r
}}
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
define ptr @memset(ptr %p, i32 %v, {word} %n) nounwind "no-builtins" {{
entry:
  %byte = trunc i32 %v to i8
  %none = icmp eq {word} %n, 0
  br i1 %none, label %out, label %loop
loop:
  %i = phi {word} [ 0, %entry ], [ %j, %loop ]
  %q = getelementptr i8, ptr %p, {word} %i
  store volatile i8 %byte, ptr %q
  %j = add {word} %i, 1
  %go = icmp ult {word} %j, %n
  br i1 %go, label %loop, label %out
out:
  ret ptr %p
}}
define ptr @memcpy(ptr %p, ptr %s, {word} %n) nounwind "no-builtins" {{
entry:
  %none = icmp eq {word} %n, 0
  br i1 %none, label %out, label %loop
loop:
  %i = phi {word} [ 0, %entry ], [ %j, %loop ]
  %q = getelementptr i8, ptr %p, {word} %i
  %r = getelementptr i8, ptr %s, {word} %i
  %v = load volatile i8, ptr %r
  store i8 %v, ptr %q
  %j = add {word} %i, 1
  %go = icmp ult {word} %j, %n
  br i1 %go, label %loop, label %out
out:
  ret ptr %p
}}
define float @rintf(float %x) nounwind "no-builtins" {{
  %a = call float @llvm.fabs.f32(float %x)
  %large = fcmp uge float %a, 8388608.0
  %b = fadd float %a, 8388608.0
  %c = fsub float %b, 8388608.0
  %d = call float @llvm.copysign.f32(float %c, float %x)
  %e = select i1 %large, float %x, float %d
  ret float %e
}}
declare float @llvm.fabs.f32(float)
declare float @llvm.copysign.f32(float, float)
"""


class Call(NamedTuple):
    """One call of a library: the function, its arguments in LLVM IR, what it reads.

    ``takes`` and ``gives`` are the bytes of what is read from stdin into ``@given``
    before it and written to stdout from ``@made`` after it.
    """

    function: str
    arguments: list[str]
    takes: int
    gives: int


def predict(
    library: Path,
    target: NativeTarget,
    *,
    prefix: str,
    memory: int,
    sizes: tuple[list[int], list[int]],
    starts: bool,
    given: bytes,
) -> bytes:
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
        arguments += [_place(name, at) for at in starts_at]
    arguments.append("ptr @memory")
    call = Call(f"{prefix}_predict", arguments, sum(sizes[0]), sum(sizes[1]))
    code = _driver(target, call, memory, prefix if starts else None)
    return _run(library, target, code, given)


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
    places = _place("given", 0), _place("given", sizes[0])
    arguments = [*places, *numbers, "ptr @made", "ptr @memory"]
    call = Call(f"{prefix}_train_step", arguments, sum(sizes), 4)
    code = _driver(target, call, memory, prefix)
    losses = np.frombuffer(_run(library, target, code, given), np.float32)
    return [float(loss) for loss in losses]


def _place(name: str, at: int) -> str:
    return f"ptr getelementptr (i8, ptr @{name}, i32 {at})"


def _run(library: Path, target: NativeTarget, code: bytes, given: bytes) -> bytes:
    """Link a program and a library, and run it."""
    linker = _require("ld.lld", "lld", target)
    emulator = _require(target.emulator[0], "qemu-user", target)
    folder = Path(library).parent
    program, source = folder / "program.elf", folder / "program.o"
    source.write_bytes(code)
    # -N: one segment that may be run, for the system calls among the constants
    command = [linker, "-N", "-static", "-e", "_start", str(source), str(library)]
    _call([*command, "-o", str(program)], target, "linked")
    program.chmod(0o755)
    return _call(
        [emulator, *target.emulator[1:], str(program)], target, "run", given=given
    )


def _require(program: str, package: str, target: NativeTarget) -> str:
    found = shutil.which(program)
    if found is None:
        raise MissingExtraError(
            f"format 'native' for {target.name} must be checked with {program}; got no "
            f"such program. Install {package}."
        )
    return found


def _call(
    command: list[str], target: NativeTarget, what: str, *, given: bytes = b""
) -> bytes:
    done = subprocess.run(
        command, input=given, capture_output=True, check=False, timeout=_TIMEOUT_S
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:300]
        raise ExchangeError(
            f"export: native code for {target.name} must be {what}; got exit code "
            f"{done.returncode}: {said}"
        )
    return done.stdout


def _driver(target: NativeTarget, call: Call, memory: int, starts: str | None) -> bytes:
    """Return the program's object file; ``starts`` is the prefix of ``init``."""
    calls = _CALLS[target.triple.split("-")[0]]
    code = bytes.fromhex(calls.code)
    text = _PROGRAM.format(
        triple=target.triple,
        memory=memory,
        takes=call.takes,
        gives=call.gives,
        function=call.function,
        kinds=", ".join(argument.split()[0] for argument in call.arguments),
        word=f"i{calls.bits}",
        code="".join(f"\\{byte:02X}" for byte in code),
        length=len(code),
        odd=int(calls.is_thumb),
        declared=f"declare void @{starts}_init(ptr)" if starts else "",
        init=f"  call void @{starts}_init(ptr @memory)" if starts else "",
        read=calls.read,
        write=calls.write,
        exit=calls.exit,
        arguments=", ".join(call.arguments),
    )
    machine = target.machine.open()
    module = llvm.parse_assembly(text)
    module.data_layout = str(machine.target_data)
    return bytes(machine.emit_object(module))
