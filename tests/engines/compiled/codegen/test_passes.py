"""A module in two parts: each finds what the other defines."""

from __future__ import annotations

from ctypes import c_void_p

import numpy as np

from pellucid.engines.compiled.codegen import KernelModule, kernel, written_out
from pellucid.engines.compiled.codegen.compiler import load
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.engines.compiled.codegen.passes import cut


@kernel(x="f32*", y="f32*")
def _root(b, x, y, *, spec):
    with b.loop(spec // 4) as i:
        y.store(b.sqrt(x.vector(i * 4, lanes=4)), i * 4)


@written_out
@kernel(x="f32*", y="f32*")
def _twice(b, x, y, *, spec):
    b.call(_root, x, y, spec=spec)
    b.call(_double, y, spec=spec)


@written_out
@kernel(y="f32*")
def _double(b, y, *, spec):
    with b.loop(spec // 4) as i:
        y.store(y.vector(i * 4, lanes=4) * 2.0, i * 4)


@kernel(x="f32*", y="f32*")
def _all(b, x, y, *, spec):
    b.call(_twice, x, y, spec=spec)
    b.call(_double, y, spec=spec)


def unit() -> KernelModule:
    here = target()
    made = KernelModule(lanes=here.lanes, registers=here.registers, is_x86=here.is_x86)
    made.define("whole", _all, 8)
    return made


def test_kernels_of_both_parts_call_each_other(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    x, y = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    for _ in range(2):  # compiled, then from the disk
        library = load(unit(), target(), what="both parts")
        y[:] = 0
        library.function("whole", c_void_p, c_void_p)(x.ctypes.data, y.ctypes.data)
        np.testing.assert_allclose(y, 4 * np.sqrt(x), rtol=1e-6)


def test_a_module_without_written_out_kernels_is_not_cut():
    text = str(unit().module)
    assert cut(text, ()) == ("", text)
    first, second = cut(text, unit().written_out)
    assert first.count("define ") == 2 == second.count("define ")
