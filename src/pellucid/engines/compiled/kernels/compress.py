"""This file is closing the gaps in vectors: keeping the lanes that count, side by side.

AVX-512 does it with one instruction; processors with fewer lanes go number by number.
"""

from __future__ import annotations

from llvmlite import ir

from pellucid.engines.compiled.kernels.ir import I1, I64, Builder, Value, vector_of

#: lanes of a vector whose gaps the processor can close
WIDE = 16


def differs(b: Builder, value: Value) -> Value:
    """Return where a number is not zero; NaN is not."""
    return Value(b, b.ir.fcmp_unordered("!=", value.v, b.like(0.0, value).v))


def compress(b: Builder, value: Value, mask: Value) -> Value:
    """Return the lanes where the mask holds, without the gaps between them."""
    zeros = b.like(0, value)
    kinds = [value.type, vector_of(I1, WIDE), value.type]
    name = "f32" if value.is_float else "i32"
    name = f"llvm.experimental.vector.compress.v{WIDE}{name}"
    callee = b.unit.declare(name, value.type, kinds)
    return Value(b, b.ir.call(callee, [value.v, mask.v, zeros.v]))


def population(b: Builder, mask: Value) -> Value:
    """Return in how many lanes the mask holds."""
    bits = Value(b, b.ir.bitcast(mask.v, ir.IntType(WIDE)))
    return Value(b, b.ir.zext(b.call_intrinsic("llvm.ctpop", bits).v, I64))
