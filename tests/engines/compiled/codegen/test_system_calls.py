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
from pellucid.exchange.native.program import assemble
from pellucid.exchange.native.targets import TARGETS
from pellucid.exchange.native.windows import import_library


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


#: three workers, all of which each of 20 jobs waits for, and which sleep before it
PROGRAM = """
target triple = "x86_64-pc-windows-gnu"
@pool = global [{slots} x i64] zeroinitializer, align 64
@pipe = global [2 x i32] zeroinitializer
@arrived = global i64 0
declare void @work(ptr, i64, i64)
declare void @submit(ptr, i64, i64, i64)
declare dllimport i32 @_read(i32, ptr, i32)
declare dllimport i32 @_write(i32, ptr, i32)
declare dllimport i32 @_pipe(ptr, i32, i32)
declare dllimport i32 @SwitchToThread()
declare dllimport void @Sleep(i32)
declare dllimport ptr @CreateThread(ptr, i64, ptr, ptr, i32, ptr)
declare dllimport void @ExitProcess(i32) noreturn
define i64 @read(i32 %f, ptr %p, i64 %n) {{
  %m = trunc i64 %n to i32
  %r = call i32 @_read(i32 %f, ptr %p, i32 %m)
  %s = sext i32 %r to i64
  ret i64 %s
}}
define i64 @write(i32 %f, ptr %p, i64 %n) {{
  %m = trunc i64 %n to i32
  %r = call i32 @_write(i32 %f, ptr %p, i32 %m)
  %s = sext i32 %r to i64
  ret i64 %s
}}
define i32 @sched_yield() {{
  %r = call i32 @SwitchToThread()
  ret i32 %r
}}
define void @job(ptr %round, i64 %worker) {{
  %n = ptrtoint ptr %round to i64
  %all = mul i64 %n, 3
  %before = atomicrmw add ptr @arrived, i64 1 seq_cst
  br label %look
look:
  %now = load atomic i64, ptr @arrived seq_cst, align 8
  %over = icmp sge i64 %now, %all
  br i1 %over, label %done, label %yield
yield:
  %r = call i32 @SwitchToThread()
  br label %look
done:
  ret void
}}
define i32 @thread(ptr %worker) {{
  %n = ptrtoint ptr %worker to i64
  %end = load i32, ptr @pipe
  %pipe = sext i32 %end to i64
  call void @work(ptr @pool, i64 %n, i64 %pipe)
  ret i32 0
}}
define void @start() {{
entry:
  %p = call i32 @_pipe(ptr @pipe, i32 4096, i32 32768)
  %end = load i32, ptr getelementptr ([2 x i32], ptr @pipe, i64 0, i64 1)
  %pipe = sext i32 %end to i64
  %a = call ptr @CreateThread(ptr null, i64 0, ptr @thread, ptr inttoptr (i64 1 to ptr),
    i32 0, ptr null)
  %b = call ptr @CreateThread(ptr null, i64 0, ptr @thread, ptr inttoptr (i64 2 to ptr),
    i32 0, ptr null)
  %job = ptrtoint ptr @job to i64
  br label %next
next:
  %n = phi i64 [ 1, %entry ], [ %m, %next ]
  call void @Sleep(i32 10)
  call void @submit(ptr @pool, i64 %job, i64 %n, i64 %pipe)
  %m = add i64 %n, 1
  %more = icmp sle i64 %m, 20
  br i1 %more, label %next, label %leave
leave:
  %found = load i64, ptr @arrived
  %code = trunc i64 %found to i32
  call void @ExitProcess(i32 %code)
  unreachable
}}
"""
IMPORTS = {
    "kernel32.dll": ("CreateThread", "ExitProcess", "Sleep", "SwitchToThread"),
    "ucrtbase.dll": ("_pipe", "_read", "_write"),
}


def test_workers_sleep_and_wake_on_windows(tmp_path: Path) -> None:
    linker = shutil.which("lld-link")
    wine = shutil.which("wine64") or shutil.which("wine64", path="/usr/lib/wine")
    if linker is None or wine is None:
        pytest.skip("there is no lld-link or no wine64")
    target = TARGETS["x86-64-v3-windows"]
    unit = KernelModule(lanes=8, registers=16, is_x86=True)
    unit.define("work", threads.work, None)
    unit.define("submit", threads.submit, None)
    code = emit(target.machine, unit, {}, ["work", "submit"])
    (tmp_path / "workers.o").write_bytes(code)
    text = PROGRAM.format(slots=threads.POOL_SLOTS)
    (tmp_path / "program.o").write_bytes(assemble(text, target))
    (tmp_path / "imports.lib").write_bytes(import_library(IMPORTS))
    options = ["/entry:start", "/subsystem:console", "/out:program.exe"]
    files = ["program.o", "workers.o", "imports.lib"]
    subprocess.run([linker, *options, *files], cwd=tmp_path, check=True)
    run = [wine, "program.exe"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, timeout=300)
    assert done.returncode == 3 * 20
