"""Weights of stand-alone code as constants, prepared before they are written."""

from __future__ import annotations

from ctypes import c_void_p

import numpy as np
from llvmlite import ir

from pellucid.engines.compiled.codegen import (
    F32,
    I8,
    Builder,
    Kernel,
    KernelModule,
    Pointer,
    compiler,
    cpu,
)
from pellucid.engines.compiled.codegen.cpu import Target
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.lowering.parameters import Parameters
from pellucid.engines.compiled.program.program_ir import BYTES, Buffer, BufferRef
from pellucid.engines.compiled.standalone.memory import buffers_of, lay_out
from pellucid.engines.compiled.standalone.writer import StandaloneWriter
from pellucid.engines.protocol import Array


class Constants:
    """Constant arrays that a module declares, by name.

    Parameters
    ----------
    unit : KernelModule
    prefix : str
        What their names begin with.
    parameters : Parameters
        Where each weight lies in ``flat``.
    flat : ndarray
        All weights, as the engine keeps them.
    target : Target
        Whose layout the weights have.
    """

    def __init__(
        self,
        unit: KernelModule,
        prefix: str,
        parameters: Parameters,
        flat: Array,
        target: Target,
    ) -> None:
        self._unit, self._prefix, self._target = unit, prefix, target
        self._parameters, self.flat = parameters, flat
        self.arrays: dict[str, Array] = {}
        self._globals: dict[str, ir.GlobalVariable] = {}

    def place(self, b: Builder, name: str, array: Array) -> Pointer:
        """Return where an array lies beside the code."""
        full = f"{self._prefix}.{name}"
        if full not in self.arrays:
            self.arrays[full] = array
            kind = ir.ArrayType(I8, array.nbytes)
            self._globals[full] = made = ir.GlobalVariable(
                self._unit.module, kind, full
            )
            made.global_constant, made.align = True, 64
        return Pointer(b, self._globals[full], F32)

    def weight(self, b: Builder, offset: int) -> Pointer:
        """Return where the weight at a place of the engine's vector lies."""
        for parameter in self._parameters.values():
            begin, size = parameter.offset, parameter.layout.size
            if begin <= offset < begin + size:
                array = self.flat[begin : begin + size]
                return self.place(b, parameter.name, array) + (offset - begin)
        raise ValueError(offset)

    def prepare(self, low: LoweringContext) -> dict[Buffer, Array]:
        """Run what depends on the weights alone; return the buffers that it fills.

        It runs here, on code of the other processor's vector width.
        """
        phases = [phase for phase in low.phases if phase.prepares]
        used = {b for p in phases for s in p.steps() for b in buffers_of(s)}
        buffers = [b for b in low.buffers if b in used and b is not low.weights]
        if not phases:
            return {}
        region = lay_out(buffers, 1)
        target, here = self._target, cpu.target()
        unit = KernelModule(
            lanes=target.lanes, registers=target.registers, is_x86=False
        )

        def write(b: Builder, weights: Pointer, memory: Pointer, *, spec: None) -> None:
            del spec

            def find(b: Builder, at: BufferRef) -> Pointer | None:
                return weights + at.offset if at.buffer is low.weights else None

            writer = StandaloneWriter(
                b, low, region, memory, numbers={"count": 1}, users={}, find=find
            )
            writer.write_phases(prepares=True)

        kinds = (("weights", "f32*"), ("memory", "i8*"))
        unit.define("prepare", Kernel("prepare", kinds, write), None)
        what = f"weights of '{low.network.name}'"
        function = compiler.load(unit, here, what=what).function(
            "prepare", c_void_p, c_void_p
        )
        memory, flat = _aligned(region.size), _aligned(self.flat.nbytes)
        flat.view(np.float32)[: self.flat.size] = self.flat
        function(flat.ctypes.data, memory.ctypes.data)
        found = {}
        for buffer in buffers:
            start = region.starts[buffer]
            size = BYTES[buffer.element] * buffer.stride
            found[buffer] = memory[start : start + size].copy()
        return found


def _aligned(size: int) -> Array:
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size]
