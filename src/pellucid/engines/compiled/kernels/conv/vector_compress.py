"""Vector compress: pack the selected lanes side by side.

AVX-512 does it with one instruction; processors with fewer lanes go number by number.
A mask as the bits of an integer needs no list at all: its bits are gone through.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from llvmlite import ir

from pellucid.engines.compiled.codegen import I1, I64, Builder, Value, vector_of

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


def bits_of(b: Builder, mask: Value) -> Value:
    """Return a mask of up to 64 lanes as the bits of a 64-bit integer."""
    lanes = mask.type.count
    bits = Value(b, b.ir.bitcast(mask.v, ir.IntType(lanes)))
    return bits if lanes == I64.width else Value(b, b.ir.zext(bits.v, I64))


@contextlib.contextmanager
def each_bit(b: Builder, bits: Value) -> Iterator[Value]:
    """Run the body with the number of every bit that is set, lowest first."""
    left = b.var(bits)
    counted = b.unit.declare("llvm.cttz.i64", I64, [I64, I1])
    with b.loop_until() as leave:
        now = left.get()
        leave(now.equals(0))
        left.set(now & (now - 1))
        yield Value(b, b.ir.call(counted, [now.v, ir.Constant(I1, 1)]))
