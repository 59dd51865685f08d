"""Compile a kernel module to native code, or load it from the cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from pellucid.engines import dropout
from pellucid.engines.compiled.codegen import KernelModule, cache, passes, system_calls
from pellucid.engines.compiled.codegen.cpu import Target

#: compiling that takes longer than this many seconds says so
QUIET_S = 0.3
#: instructions of IR that are compiled in about a second
PER_SECOND = 12_000


class Library:
    """Loaded code; lives as long as something refers to it."""

    def __init__(self, engine: llvm.ExecutionEngine) -> None:
        self._engine = engine

    def address(self, name: str) -> int:
        """Return a function's address."""
        return int(self._engine.get_function_address(name))

    def function(self, name: str, *kinds: Any) -> Callable[..., None]:
        """Return a function for calling from Python; calls release the GIL."""
        made = ctypes.CFUNCTYPE(None, *kinds)(self.address(name))
        made.library = self  # type: ignore[attr-defined]  # keeps the code alive
        return made


def load(unit: KernelModule, target: Target, *, what: str) -> Library:
    """Return a unit's code, from the cache where it was compiled before.

    Parameters
    ----------
    unit : Unit
    target : Target
    what : str
        Named in the line that says what is being compiled.
    """
    return _loaded(str(unit.module), lambda: unit, target, what)


def load_plan(
    plan: str, write: Callable[[], KernelModule], target: Target, *, what: str
) -> Library:
    """Return the code of a plan; its unit is written only where there is no code.

    Parameters
    ----------
    plan : str
        All that the unit depends on but the sources that write it, as text.
    write : callable
        Returns the unit.
    target, what
        As in `load`.
    """
    return _loaded(sources_digest() + plan, write, target, what)


def sources() -> list[Path]:
    """Return the files that write kernels."""
    here = Path(__file__).parents[1]
    folders = ("codegen", "kernels", "lowering", "program")
    files = [file for name in folders for file in here.glob(f"{name}/**/*.py")]
    return sorted([*files, Path(dropout.__file__)])


@functools.cache
def sources_digest() -> str:
    """Return a hash of the files that write kernels."""
    digest = hashlib.blake2b(digest_size=20)
    for file in sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _loaded(
    identity: str, write: Callable[[], KernelModule], target: Target, what: str
) -> Library:
    version = f"llvmlite {llvmlite.__version__} {llvm.llvm_version_info}"
    key = cache.key(identity, target.key, version)
    machine = _machine(target)
    code = cache.read(key)
    objects = None if code is None else cache.unpack(code)
    if objects is None:
        unit = write()
        parts = passes.cut(str(unit.module), unit.written_out)
        objects = [_compiled(part, machine, what) for part in parts if part]
        cache.write(key, cache.pack(objects))
    system_calls.provide()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for one in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(one))
    engine.finalize_object()
    return Library(engine)


def _machine(target: Target) -> llvm.TargetMachine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.Target.from_triple(llvm.get_process_triple())
    return triple.create_target_machine(
        cpu=target.cpu, features=target.features, opt=3, jit=True
    )


def _compiled(text: str, machine: llvm.TargetMachine, what: str) -> bytes:
    """Return the object file of a module."""
    is_long = text.count("\n") > QUIET_S * PER_SECOND
    if is_long:
        _say(f"compiling {what} …")
    begin = time.perf_counter()
    module = llvm.parse_assembly(text)
    module.verify()
    run = passes.run_few if passes.is_written_out(text) else passes.run_all
    code = bytes(machine.emit_object(optimized(module, machine, run)))
    if is_long:
        _say(f" {time.perf_counter() - begin:.1f} s\n")
    return code


def optimized(
    module: llvm.ModuleRef,
    machine: llvm.TargetMachine,
    run: Callable[[llvm.ModuleRef, llvm.TargetMachine], None] = passes.run_all,
) -> llvm.ModuleRef:
    """Run LLVM's passes over a module in place and return it."""
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    run(module, machine)
    return module


def assembly(unit: KernelModule, target: Target) -> str:
    """Return a unit's code as text, for people."""
    machine = _machine(target)
    module = optimized(llvm.parse_assembly(str(unit.module)), machine)
    return str(machine.emit_assembly(module))


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
