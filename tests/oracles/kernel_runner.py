"""One kernel on its own: compiled and called with arrays, for tests."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import c_float, c_int64, c_void_p
from typing import Any

import numpy as np

from pellucid.engines.compiled.codegen import Builder, Kernel, KernelModule, compiler
from pellucid.engines.compiled.codegen.cpu import Target, target

_KINDS: dict[str, Any] = {"n": c_int64, "x": c_float}


def compiled(
    kernel: Kernel, spec: Any = None, *, on: Target | None = None
) -> Callable[..., None]:
    """Return a function that takes arrays and numbers in the kernel's order.

    Arrays must be contiguous and of the kernel's element types; they are changed in
    place.
    """
    machine = on or target()
    unit = KernelModule(
        lanes=machine.lanes, registers=machine.registers, is_x86=machine.is_x86
    )

    def call_it(b: Builder, *arguments: Any, spec: Any) -> None:
        b.call(kernel, *arguments, spec=spec)

    unit.define("alone", Kernel("alone", kernel.parameters, call_it), spec)
    library = compiler.load(unit, machine, what=f"kernel {kernel.name}")
    kinds = [_KINDS.get(kind, c_void_p) for _, kind in kernel.parameters]
    call = library.function("alone", *kinds)

    def run(*arguments: Any) -> None:
        call(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments))

    run.call = call  # type: ignore[attr-defined]
    return run


def aligned(shape: tuple[int, ...], dtype: Any = np.float32) -> Any:
    """Return zeros that begin at a multiple of 64 bytes."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(count + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + count].view(dtype).reshape(shape)
