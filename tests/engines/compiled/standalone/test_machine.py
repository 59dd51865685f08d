"""Object files of every format hold constant arrays byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from pellucid.engines.compiled.codegen import Builder, Kernel, KernelModule, Pointer
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.standalone.machine import Machine, emit


@pytest.mark.parametrize(
    "triple",
    [
        "x86_64-unknown-linux-gnu",
        "x86_64-pc-windows-msvc",
        "arm64-apple-macosx11.0.0",
        "wasm32-unknown-unknown",
    ],
)
def test_constants_stand_in_each_format_and_nothing_else_of_them(triple: str) -> None:
    is_x86 = triple.startswith("x86")
    unit = KernelModule(lanes=4, registers=16, is_x86=is_x86)
    kind = ir.ArrayType(ir.IntType(8), 1)

    def write(b: Builder, given: Pointer, *, spec: Any) -> None:
        del spec
        for name in arrays:
            found = ir.GlobalVariable(unit.module, kind, name)
            given.store(Pointer(b, found, ir.FloatType()).load(0), 0)

    random = np.random.default_rng(0)
    arrays = {
        f"net.{count}": random.normal(size=count).astype(np.float32)
        for count in (1, 8, 9, 1000)
    }
    unit.define("read", Kernel("read", (("given", "f32*"),), write), None)
    target = Target(4, 16, "generic", "", is_x86=is_x86)
    code = emit(Machine(triple=triple, target=target), unit, arrays, ["read"])
    for array in arrays.values():
        assert code.count(array.tobytes()) == 1
    one = arrays["net.1"].tobytes()
    assert code[code.index(one) :][:32] == one + bytes(28)
