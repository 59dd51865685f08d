"""Outputs of integer layers as codes, bytes; as floats only where a layer takes them.

Layers that only move elements take floats, as in a float network: what they read is
widened before them, what they make is narrowed behind them.
"""

from __future__ import annotations

from pellucid.engines.compiled.kernels.layout import NO_HALO
from pellucid.engines.compiled.kernels.quantized import codes as kernels
from pellucid.engines.compiled.kernels.quantized.codes import Codes, Conversion
from pellucid.engines.compiled.lowering.context import LoweringContext
from pellucid.engines.compiled.program.program_ir import BufferRef, CodedValue
from pellucid.network.quantization import RANGES, Quantization


def zero_code(step: Quantization) -> int:
    """Return the code of 0."""
    return step.zero_point - RANGES[step.dtype][0]


def read(low: LoweringContext, name: str, step: Quantization) -> CodedValue:
    """Return a node's output as codes."""
    if name not in low.codes:
        x = low.values[name]
        found = write(low, name, step)
        spec = Conversion(x.map, describe(found))
        places = (BufferRef(x.buffer), BufferRef(found.buffer))
        low.step(kernels.narrow, spec, *places, node=name)
    return low.codes[name]


def write(low: LoweringContext, name: str, step: Quantization) -> CodedValue:
    """Make the buffer of a node's output as codes."""
    return make(low, name, zero_code(step))


def make(low: LoweringContext, name: str, zero: int) -> CodedValue:
    """Make the buffer of codes, with codes of 0 around the image."""
    m = low.map_of(name)
    buffer = low.buffer(f"{name} codes", m.size, "image", "i8")
    low.codes[name] = found = CodedValue(buffer, m, zero)
    if m.halo != NO_HALO:
        spec = describe(found)
        low.step(kernels.fill_halo, spec, BufferRef(buffer), node=name)
    return found


def widen(low: LoweringContext, name: str) -> None:
    """Make a node's output floats, if it is codes alone."""
    if name in low.values or name not in low.codes:
        return
    x, y = low.codes[name], low.output(name)
    spec = Conversion(y.map, describe(x))
    places = (BufferRef(x.buffer), BufferRef(y.buffer))
    low.step(kernels.widen, spec, *places, node=name)


def describe(value: CodedValue) -> Codes:
    """Return how codes lie, as kernels take it."""
    return Codes(value.map, value.zero)
