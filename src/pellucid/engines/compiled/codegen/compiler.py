"""Compile a kernel module to native code, or load it from the cache."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import llvmlite
import llvmlite.binding as llvm

from pellucid.engines import dropout
from pellucid.engines.compiled.codegen import (
    Kernel,
    KernelModule,
    cache,
    emit,
    passes,
    system_calls,
)
from pellucid.engines.compiled.codegen.compilation import Compilation
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.codegen.emit import Effort, Emitter

#: lines of a plan's own code from which it is compiled the quickest way: it says what
#: kernels are called with, once per image and step
SMALL_LINES = 2000


class Library:
    """Loaded code; lives as long as something refers to it."""

    def __init__(self, engine: llvm.ExecutionEngine) -> None:
        self._engine = engine

    def address(self, name: str) -> int:
        """Return a function's address."""
        return int(self._engine.get_function_address(name))

    def function(
        self, name: str, *kinds: Any, keeps_lock: bool = False
    ) -> Callable[..., None]:
        """Return a function for calling from Python; others release the GIL."""
        kind = ctypes.PYFUNCTYPE if keeps_lock else ctypes.CFUNCTYPE
        made = kind(None, *kinds)(self.address(name))
        made.library = self  # type: ignore[attr-defined]  # keeps the code alive
        return made


def new_module(target: Target, *, is_alone: bool = False) -> KernelModule:
    """Return an empty module for a processor."""
    return KernelModule(
        lanes=target.lanes,
        registers=target.registers,
        is_x86=target.is_x86,
        is_alone=is_alone,
    )


def load(unit: KernelModule, target: Target, *, what: str) -> Library:
    """Return a module's code, from the cache where it was compiled before.

    Parameters
    ----------
    unit : KernelModule
        All kernels are in it.
    target : Target
    what : str
        Named in the line that says what is being compiled.
    """
    key = _key(target, str(unit.module))
    code = cache.read(key)
    objects = None if code is None else cache.unpack(code)
    if objects is None:
        with Compilation(target, what=what) as compilation:
            for part in passes.cut(str(unit.module), unit.written_out):
                if part:
                    is_few = passes.is_written_out(part)
                    compilation.add(part, part, "few" if is_few else "all")
            objects = list(compilation.finish().values())
        cache.write({key: cache.pack(objects)})
    return _linked(objects, target)


def load_plan(
    plan: str, write: Callable[..., KernelModule], target: Target, *, what: str
) -> Library:
    """Return the code of a plan; it is written only where there is no code.

    Each kernel is compiled and kept by itself, by its spec, so that plans and networks
    share them.

    Parameters
    ----------
    plan : str
        All that the plan depends on but the sources that write it, as text.
    write : callable
        Returns the plan's module, with ``is_alone=True`` without the kernels.
    target, what
        As in `load`.
    """
    key = _key(target, sources_digest(), plan)
    objects = _kept_plan(key, target)
    if objects is None:
        objects = _compiled_plan(key, write, target, what)
    return _linked(objects, target)


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Leave garbage while IR is written: to look for it takes as long as to write."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _effort(kernel: Kernel) -> Effort:
    return "few" if kernel.is_written_out else "all"


def _kept_plan(key: str, target: Target) -> list[bytes] | None:
    """Return the object files of a plan if all of them are on disk."""
    plan = _read(key)
    if plan is None:
        return None
    kernels = _Kernels(target)
    found = [kernels.kept(symbol) for symbol in plan.calls]
    if any(one is None for one in found):
        return None
    return [plan.code, *(one.code for one in found if one is not None)]


def _compiled_plan(
    key: str, write: Callable[..., KernelModule], target: Target, what: str
) -> list[bytes]:
    """Return the object files of a plan, and keep those that were not."""
    kernels = _Kernels(target)
    with Compilation(target, what=what) as compilation, _without_collection():
        unit = write(is_alone=True)
        text = str(unit.module)
        is_small = text.count("\n") < SMALL_LINES
        compilation.add(key, text, "all" if is_small else "none")
        waiting, kept = dict(unit.calls), dict[str, _Piece]()
        calls: dict[str, tuple[str, ...]] = {}
        while waiting:
            compilation.expect(len(waiting))
            symbol, (kernel, spec) = waiting.popitem()
            found = kernels.kept_with_calls(symbol)
            if found is not None:
                kept.update(found)
                continue
            one = new_module(target, is_alone=True)
            one.define(symbol, kernel, spec)
            compilation.add(symbol, str(one.module), _effort(kernel))
            calls[symbol] = tuple(one.calls)
            known = calls.keys() | kept.keys()
            waiting.update({s: k for s, k in one.calls.items() if s not in known})
        made = compilation.finish()
    pieces = {symbol: _Piece(made[symbol], calls[symbol]) for symbol in calls}
    kernels.keep(pieces)
    symbols = tuple(kept | pieces)
    _write({key: _Piece(made[key], symbols)})
    return [made[key], *(one.code for one in (kept | pieces).values())]


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


class _Piece(NamedTuple):
    """An object file and the symbols of kernels that it calls."""

    code: bytes
    calls: tuple[str, ...]


class _Kernels:
    """Kernels' object files on disk."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def kept(self, symbol: str) -> _Piece | None:
        """Return a kernel that was compiled before, or None."""
        return _read(self._name(symbol))

    def kept_with_calls(self, symbol: str) -> dict[str, _Piece] | None:
        """Return a kernel and all that it calls, or None where one is not kept."""
        found: dict[str, _Piece] = {}
        waiting = [symbol]
        while waiting:
            one = waiting.pop()
            piece = self.kept(one)
            if piece is None:
                return None
            found[one] = piece
            waiting += [called for called in piece.calls if called not in found]
        return found

    def keep(self, pieces: Mapping[str, _Piece]) -> None:
        """Keep kernels by their symbols."""
        _write({self._name(symbol): piece for symbol, piece in pieces.items()})

    def _name(self, symbol: str) -> str:
        return _key(self._target, sources_digest(), symbol)


def _read(name: str) -> _Piece | None:
    code = cache.read(name)
    parts = None if code is None else cache.unpack(code)
    if parts is None:
        return None
    return _Piece(parts[0], tuple(parts[1].decode().split()))


def _write(pieces: Mapping[str, _Piece]) -> None:
    cache.write(
        {
            name: cache.pack((piece.code, " ".join(piece.calls).encode()))
            for name, piece in pieces.items()
        }
    )


def _key(target: Target, *parts: str) -> str:
    version = f"llvmlite {llvmlite.__version__} {llvm.llvm_version_info}"
    return cache.key(*parts, target.key, version)


def _linked(objects: Iterable[bytes], target: Target) -> Library:
    system_calls.provide()
    machine = Emitter(target.cpu, target.features).machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    for one in objects:
        engine.add_object_file(llvm.ObjectFileRef.from_data(one))
    engine.finalize_object()
    return Library(engine)


def optimized(
    module: llvm.ModuleRef,
    machine: llvm.TargetMachine,
    run: Callable[[llvm.ModuleRef, llvm.TargetMachine], None] = emit.run_all,
) -> llvm.ModuleRef:
    """Run LLVM's passes over a module in place and return it."""
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    run(module, machine)
    return module
