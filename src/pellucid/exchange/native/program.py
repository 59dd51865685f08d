"""What programs for emulators share: their pieces of LLVM IR, linking and running.

They are written as LLVM IR, so that no compiler and no C library of the other processor
is needed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange.native.targets import NativeTarget

_TIMEOUT_S = 600
#: where Debian has wine64, which is not on the path
_BESIDE = "/usr/lib/wine"

#: what code needs of a C library; ``{word}`` is the type of a size
RUNTIME = """
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
define float @truncf(float %x) nounwind "no-builtins" {{
  %a = call float @llvm.fabs.f32(float %x)
  %large = fcmp uge float %a, 8388608.0
  %i = fptosi float %x to i32
  %f = sitofp i32 %i to float
  %s = call float @llvm.copysign.f32(float %f, float %x)
  %t = select i1 %large, float %x, float %s
  ret float %t
}}
declare float @llvm.fabs.f32(float)
declare float @llvm.copysign.f32(float, float)
"""


class Call(NamedTuple):
    """One call of a library: the function, its arguments in LLVM IR, what it reads.

    ``takes`` and ``gives`` are the bytes of what is read into ``@given`` before it and
    written from ``@made`` after it, ``memory`` those of ``@memory``; ``starts`` is the
    function that initializes it, if there is one.
    """

    function: str
    arguments: list[str]
    takes: int
    gives: int
    memory: int
    starts: str | None

    @property
    def words(self) -> dict[str, object]:
        """What the programs' texts need of it."""
        return {
            "memory": self.memory,
            "takes": self.takes,
            "gives": self.gives,
            "function": self.function,
            "kinds": ", ".join(argument.split()[0] for argument in self.arguments),
            "arguments": ", ".join(self.arguments),
            "declared": f"declare void @{self.starts}(ptr)" if self.starts else "",
            "init": f"  call void @{self.starts}(ptr @memory)" if self.starts else "",
        }


class Emulated(NamedTuple):
    """What a program wrote; instructions of its last call where they are counted."""

    content: bytes
    instructions: int | None = None


def place(name: str, at: int) -> str:
    """Return the address of a byte of a global array."""
    return f"ptr getelementptr (i8, ptr @{name}, i32 {at})"


def as_bytes(code: str) -> str:
    """Return machine code, in hexadecimal digits, as a string of LLVM."""
    return "".join(f"\\{byte:02X}" for byte in bytes.fromhex(code))


def assemble(text: str, target: NativeTarget) -> bytes:
    """Return the object file of a program."""
    machine = target.machine.open()
    module = llvm.parse_assembly(text)
    module.data_layout = str(machine.target_data)
    return bytes(machine.emit_object(module))


def require(program: str, package: str, target: NativeTarget) -> str:
    """Return the path of a program; MissingExtraError if it is not installed."""
    found = shutil.which(program) or shutil.which(program, path=_BESIDE)
    if found is None:
        raise MissingExtraError(
            f"format 'native' for {target.name} must be checked with {program}; got no "
            f"such program. Install {package}."
        )
    return found


def run_command(
    command: Sequence[str],
    target: NativeTarget,
    what: str,
    *,
    given: bytes = b"",
    folder: Path | None = None,
) -> bytes:
    """Return what a command prints; ExchangeError where it fails."""
    done = subprocess.run(
        command,
        input=given,
        capture_output=True,
        check=False,
        timeout=_TIMEOUT_S,
        cwd=folder,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[:300]
        raise ExchangeError(
            f"export: native code for {target.name} must be {what}; got exit code "
            f"{done.returncode}: {said}"
        )
    return done.stdout
