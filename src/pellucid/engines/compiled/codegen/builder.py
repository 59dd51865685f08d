"""IR builder: what kernels are written with."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir

from pellucid.engines.compiled.codegen.types import (
    ELEMENTS,
    F32,
    F64,
    I32,
    I64,
    PTR,
    SIZES,
    VOID,
    element_of,
    mangled,
    vector_of,
)
from pellucid.engines.compiled.codegen.values import Number, Pointer, Value, Var
from pellucid.errors import EngineError

if TYPE_CHECKING:
    from pellucid.engines.compiled.codegen.module import Kernel, KernelModule


#: bytes of arrays that one function may keep on the stack: threads may have 128 KiB
#: of it in all
MOST_STACK = 1024


# constants are most of what is written: each is made, and its text, once
@functools.lru_cache(maxsize=4096)
def _constant(kind: ir.Type, number: float, sign: float) -> ir.Constant:
    """Return a constant, in every lane; ``sign`` tells -0.0 from 0.0."""
    del sign
    lanes = kind.count if isinstance(kind, ir.VectorType) else 0
    return ir.Constant(kind, [number] * lanes if lanes else number)


@functools.lru_cache(maxsize=64)
def _undefined(element: ir.Type, lanes: int) -> ir.Constant:
    return ir.Constant(vector_of(element, lanes), ir.Undefined)


class Builder:
    """Writes one function.

    Attributes
    ----------
    lanes : int
        Numbers in a vector where nothing else is said.
    registers : int
        Vector registers of the processor.
    """

    def __init__(self, unit: KernelModule, function: ir.Function) -> None:
        self.unit = unit
        self.lanes, self.registers = unit.lanes, unit.registers
        self.function = function
        self._stack = 0
        self._entry = function.append_basic_block("entry")
        start = function.append_basic_block("start")
        self.ir = ir.IRBuilder(start)

    def finish(self) -> None:
        """End the function."""
        if not self.ir.block.is_terminated:
            self.ir.ret_void()
        ir.IRBuilder(self._entry).branch(self.function.basic_blocks[1])

    # constants and conversions
    def const(self, number: float, kind: ir.Type) -> Value:
        """Return a constant; of a vector type in every lane."""
        if isinstance(element_of(kind), ir.IntType):
            return Value(self, _constant(kind, int(number), 1.0))
        real = float(number)
        return Value(self, _constant(kind, real, math.copysign(1.0, real)))

    def like(self, number: Number, other: Value) -> Value:
        """Return a number with the type of another, spread over its lanes."""
        if not isinstance(number, Value):
            return self.const(number, other.type)
        if isinstance(other.type, ir.VectorType) and not isinstance(
            number.type, ir.VectorType
        ):
            return self.splat(number, other.type.count)
        return number

    def i64(self, number: Number) -> Value:
        """Return a 64-bit integer."""
        if not isinstance(number, Value):
            return self.const(number, I64)
        return (
            number if number.type == I64 else Value(self, self.ir.sext(number.v, I64))
        )

    def f32(self, number: Number) -> Value:
        """Return a float."""
        if not isinstance(number, Value):
            return self.const(number, F32)
        return number

    def f64(self, number: Value) -> Value:
        """Return a float as a double."""
        return Value(self, self.ir.fpext(number.v, self._shaped(F64, number)))

    def narrow(self, number: Value) -> Value:
        """Return a double as a float."""
        return Value(self, self.ir.fptrunc(number.v, self._shaped(F32, number)))

    def to_float(self, number: Value) -> Value:
        """Return a signed integer as a float."""
        return Value(self, self.ir.sitofp(number.v, self._shaped(F32, number)))

    def to_int(self, number: Value) -> Value:
        """Return a float's whole part as a 32-bit integer."""
        return Value(self, self.ir.fptosi(number.v, self._shaped(I32, number)))

    def to_double(self, number: Value) -> Value:
        """Return a signed integer as a double."""
        return Value(self, self.ir.sitofp(number.v, self._shaped(F64, number)))

    def to_long(self, number: Value) -> Value:
        """Return a float's whole part as a 64-bit integer."""
        return Value(self, self.ir.fptosi(number.v, self._shaped(I64, number)))

    def extend(self, number: Value, element: str = "i64") -> Value:
        """Return a signed integer with more bits."""
        kind = self._shaped(ELEMENTS[element], number)
        return Value(self, self.ir.sext(number.v, kind))

    def shift_right(self, number: Value, by: Number) -> Value:
        """Return a signed integer divided by a power of two, rounded down."""
        return Value(self, self.ir.ashr(number.v, self.like(by, number).v))

    def resize(self, number: Value, element: str) -> Value:
        """Return an unsigned integer with another number of bits."""
        kind = self._shaped(ELEMENTS[element], number)
        old, new = element_of(number.type).width, element_of(kind).width
        if old == new:
            return number
        how = self.ir.zext if new > old else self.ir.trunc
        return Value(self, how(number.v, kind))

    def bits(self, number: Value, element: str) -> Value:
        """Return the same bits read as another type of that size."""
        kind = self._shaped(ELEMENTS[element], number)
        return Value(self, self.ir.bitcast(number.v, kind))

    def view_as(self, number: Value, element: str) -> Value:
        """Return a vector's bits as one of elements of another size."""
        kind = ELEMENTS[element]
        lanes = number.type.count * element_of(number.type).width // kind.width
        return Value(self, self.ir.bitcast(number.v, vector_of(kind, lanes)))

    def _shaped(self, element: ir.Type, like: Value) -> ir.Type:
        if isinstance(like.type, ir.VectorType):
            return vector_of(element, like.type.count)
        return element

    # vectors
    def splat(self, number: Number, lanes: int | None = None) -> Value:
        """Return one number in every lane."""
        n = lanes or self.lanes
        if not isinstance(number, Value):
            return self.const(number, vector_of(F32, n))
        undefined = _undefined(number.type, n)
        first = self.ir.insert_element(undefined, number.v, _constant(I32, 0, 1.0))
        zeros = _constant(vector_of(I32, n), 0, 1.0)
        return Value(self, self.ir.shuffle_vector(first, undefined, zeros))

    def shuffle(self, x: Value, y: Value, order: list[int]) -> Value:
        """Return lanes of x and y (counted on) in that order."""
        mask = ir.Constant(vector_of(I32, len(order)), order)
        return Value(self, self.ir.shuffle_vector(x.v, y.v, mask))

    def zeros(self, lanes: int | None = None) -> Value:
        """Return a vector of zeros."""
        return self.splat(0.0, lanes)

    def iota(self, lanes: int | None = None) -> Value:
        """Return 0, 1, 2 … as 32-bit integers."""
        n = lanes or self.lanes
        return Value(self, ir.Constant(vector_of(I32, n), list(range(n))))

    def total(self, x: Value) -> Value:
        """Return the sum of a vector's lanes, halves first."""
        while isinstance(x.type, ir.VectorType) and x.type.count > 1:
            n, h = x.type.count, x.type.count // 2
            x = self.shuffle(x, x, list(range(h))) + self.shuffle(
                x, x, list(range(h, n))
            )
        return x[0]

    def fma(self, x: Number, y: Value, z: Value) -> Value:
        """Return x · y + z, rounded once where the processor can."""
        return self.call_intrinsic("llvm.fmuladd", self.like(x, z), self.like(y, z), z)

    def product(self, x: Value, y: Value) -> Value:
        """Return x · y, rounded before anything is added to it."""
        return Value(self, self.ir.fmul(x.v, y.v))

    def select(self, condition: Value, x: Number, y: Number) -> Value:
        """Return x where the condition holds, else y."""
        if not isinstance(x, Value):
            x = self.like(x, y) if isinstance(y, Value) else self.f32(x)
        return Value(self, self.ir.select(condition.v, x.v, self.like(y, x).v))

    def call_intrinsic(self, name: str, *arguments: Value) -> Value:
        """Call LLVM's function of that name for the first argument's type."""
        kind = arguments[0].type
        return self.call_named(f"{name}.{mangled(kind)}", kind, *arguments)

    def call_named(self, name: str, result: ir.Type, *arguments: Value) -> Value:
        """Call LLVM's function of exactly that name."""
        callee = self.unit.declare(name, result, [a.type for a in arguments])
        return Value(self, self.ir.call(callee, [a.v for a in arguments]))

    def sqrt(self, x: Value) -> Value:
        """Return the square root, correctly rounded."""
        return self.call_intrinsic("llvm.sqrt", x)

    def absolute(self, x: Value) -> Value:
        """Return |x|."""
        return self.call_intrinsic("llvm.fabs", x)

    def rounded(self, x: Value) -> Value:
        """Return x as a whole number, halves away from 0, without a library's round."""
        below = 0.5 - 2.0 ** (-54 if x.type == F64 else -25)  # the number before 0.5
        half = self.call_intrinsic("llvm.copysign", self.like(below, x), x)
        return self.call_intrinsic("llvm.trunc", x + half)

    def round_even(self, x: Value) -> Value:
        """Return x as a whole number, halves to the even one, without a library."""
        shift = 2.0 ** (52 if x.type == F64 else 23)  # behind it there are no fractions
        size = self.absolute(x)
        whole = self.call_intrinsic("llvm.copysign", (size + shift) - shift, x)
        return self.select(size < shift, whole, x)

    def maximum(self, x: Value, y: Number) -> Value:
        """Return the larger; NaN where either is NaN."""
        return self.call_intrinsic("llvm.maximum", x, self.like(y, x))

    def larger(self, x: Value, y: Number) -> Value:
        """Return the larger of two integers, or of two floats that are not NaN."""
        return self.select(x > y, x, y)

    def smaller(self, x: Value, y: Number) -> Value:
        """Return the smaller, as `larger`."""
        return self.select(x < y, x, y)

    def relu(self, x: Value) -> Value:
        """Return max(x, 0); NaN stays NaN."""
        zero = self.like(0.0, x)
        keep = Value(self, self.ir.fcmp_unordered(">", x.v, zero.v))
        return self.select(keep, x, zero)

    def prefetch(self, place: Pointer, *, to_write: bool = False) -> None:
        """Ask for the cache line at an address, to have it in the second cache."""
        kinds = [PTR, I32, I32, I32]
        callee = self.unit.declare("llvm.prefetch.p0", VOID, kinds)
        how = [ir.Constant(I32, n) for n in (int(to_write), 2, 1)]  # from afar, data
        self.ir.call(callee, [place.v, *how])

    # control
    def allocate(self, kind: ir.Type, count: int = 1) -> ir.Value:
        """Return a place on the stack."""
        with self.ir.goto_block(self._entry):
            return self.ir.alloca(kind, size=ir.Constant(I64, count))

    def scratch(self, element: str, count: int) -> Pointer:
        """Return a small array on the stack, whose size no network decides.

        Raises
        ------
        EngineError
            If the function's arrays take more than `MOST_STACK` bytes together.
        """
        self._stack += count * SIZES[element]
        if self._stack > MOST_STACK:
            raise EngineError(
                f"engine 'compiled': '{self.function.name}' must keep at most "
                f"{MOST_STACK} bytes on the stack; got {self._stack}. "
                "Plan a buffer for them."
            )
        slot = self.allocate(ELEMENTS[element], count)
        slot.align, slot.type = 64, PTR  # llvmlite's own names the element
        return Pointer(self, slot, ELEMENTS[element])

    def table(self, numbers: Sequence[float], *, padded: int) -> Pointer:
        """Return constant floats that lie beside the code, zeros behind them."""
        filled = [float(n) for n in numbers] + [0.0] * (padded - len(numbers))
        kind = ir.ArrayType(F32, len(filled))
        name = self.unit.module.get_unique_name("table")
        table = ir.GlobalVariable(self.unit.module, kind, name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(kind, filled)
        return Pointer(self, table, F32)

    def var(self, initial: Number) -> Var:
        """Return a variable; a Python int becomes a 64-bit integer."""
        if isinstance(initial, int):
            initial = self.i64(initial)
        return Var(self, initial if isinstance(initial, Value) else self.f32(initial))

    @contextlib.contextmanager
    def loop(
        self, count: Number, *, step: Number = 1, start: Number = 0
    ) -> Iterator[Value]:
        """Run the body with i = start, start + step, … while i < count."""
        b = self.ir
        known = all(isinstance(n, int) for n in (count, start))
        end, first = self.i64(count), self.i64(start)
        before = b.block
        body, after = (self.function.append_basic_block(n) for n in ("loop", "done"))
        if known and start < count:
            b.branch(body)
        else:
            b.cbranch((first < end).v, body, after)
        b.position_at_end(body)
        i = b.phi(I64)
        i.add_incoming(first.v, before)
        yield Value(self, i)
        following = Value(self, b.add(i, self.i64(step).v, flags=("nsw",)))
        i.add_incoming(following.v, b.block)
        b.cbranch((following < end).v, body, after)
        b.position_at_end(after)

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run the body only where a condition holds."""
        with self.ir.if_then(condition.v):
            yield

    @contextlib.contextmanager
    def loop_until(self) -> Iterator[Callable[[Value], None]]:
        """Run the body until it calls what it is given with a true condition."""
        body, after = (self.function.append_basic_block(n) for n in ("loop", "done"))
        self.ir.branch(body)
        self.ir.position_at_end(body)

        def leave(condition: Value) -> None:
            onward = self.function.append_basic_block("on")
            self.ir.cbranch(condition.v, after, onward)
            self.ir.position_at_end(onward)

        yield leave
        self.ir.branch(body)
        self.ir.position_at_end(after)

    def call(self, kernel: Kernel, *arguments: Value | Pointer, spec: Any) -> None:
        """Call another kernel of the same unit."""
        form, numbers = kernel.divided(self, spec)
        callee = self.unit.function(kernel, form)
        passed = [*arguments, *(self.i64(number) for number in numbers)]
        self.ir.call(callee, [a.v for a in passed])
