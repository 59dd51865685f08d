"""This file is a small language for writing kernels: values, pointers, loops.

It wraps llvmlite's IR builder so that a kernel reads like the loop nest it is. Python
loops unroll; ``b.loop`` makes a loop of the machine. Everything is float32 unless it
says otherwise; a vector holds ``lanes`` numbers side by side.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Union

from llvmlite import ir

F32, F64 = ir.FloatType(), ir.DoubleType()
I64, I32, I8, I1 = (ir.IntType(n) for n in (64, 32, 8, 1))
PTR = ir.PointerType()
VOID = ir.VoidType()

#: ``contract`` lets a·b + c become one instruction; NaN and infinity keep their meaning
FAST = ("contract",)

ELEMENTS: dict[str, ir.Type] = {
    "f32": F32,
    "f64": F64,
    "i8": I8,
    "i32": I32,
    "i64": I64,
}

Number = Union["Value", int, float]


def vector_of(element: ir.Type, lanes: int) -> ir.VectorType:
    """Return the type of so many elements side by side."""
    return ir.VectorType(element, lanes)


def element_of(kind: ir.Type) -> ir.Type:
    """Return the element type of a vector, or a scalar type itself."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


class Value:
    """A number or vector of the machine, with Python's operators.

    Integers are signed in comparisons and shifts to the right are logical.
    """

    __slots__ = ("b", "v")

    def __init__(self, b: Builder, v: ir.Value) -> None:
        self.b = b
        self.v = v

    @property
    def type(self) -> ir.Type:
        """LLVM's type."""
        return self.v.type

    @property
    def is_float(self) -> bool:
        """Whether the elements are floating point."""
        return isinstance(element_of(self.type), ir.FloatType | ir.DoubleType)

    def _lift(self, other: Number) -> ir.Value:
        return self.b.like(other, self).v

    def _do(self, other: Number, on_int: str, on_float: str) -> Value:
        if isinstance(other, Value) and self._is_narrower_than(other):
            return self.b.like(self, other)._do(other, on_int, on_float)
        method = getattr(self.b.ir, on_float if self.is_float else on_int)
        flags = {"flags": FAST} if self.is_float else {}
        return Value(self.b, method(self.v, self._lift(other), **flags))

    def _is_narrower_than(self, other: Value) -> bool:
        """Whether this is a number and the other a vector."""
        is_vector = isinstance(other.type, ir.VectorType)
        return is_vector and not isinstance(self.type, ir.VectorType)

    def __add__(self, other: Number) -> Value:
        return self._do(other, "add", "fadd")

    def __sub__(self, other: Number) -> Value:
        return self._do(other, "sub", "fsub")

    def __mul__(self, other: Number) -> Value:
        return self._do(other, "mul", "fmul")

    def __truediv__(self, other: Number) -> Value:
        return self._do(other, "sdiv", "fdiv")

    def __floordiv__(self, other: Number) -> Value:
        return self._do(other, "sdiv", "sdiv")

    def __mod__(self, other: Number) -> Value:
        return self._do(other, "srem", "srem")

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Number) -> Value:
        return self.b.like(other, self) - self

    def __rtruediv__(self, other: Number) -> Value:
        return self.b.like(other, self) / self

    def __neg__(self) -> Value:
        if self.is_float:
            return Value(self.b, self.b.ir.fneg(self.v))
        return self.b.like(0, self) - self

    def __and__(self, other: Number) -> Value:
        return self._do(other, "and_", "and_")

    def __or__(self, other: Number) -> Value:
        return self._do(other, "or_", "or_")

    def __xor__(self, other: Number) -> Value:
        return self._do(other, "xor", "xor")

    def __lshift__(self, other: Number) -> Value:
        return self._do(other, "shl", "shl")

    def __rshift__(self, other: Number) -> Value:
        return self._do(other, "lshr", "lshr")

    def _compare(self, sign: str, other: Number, unordered: bool = False) -> Value:
        b, x = self.b.ir, self._lift(other)
        if self.is_float:
            how = b.fcmp_unordered if unordered else b.fcmp_ordered
            return Value(self.b, how(sign, self.v, x))
        return Value(self.b, b.icmp_signed(sign, self.v, x))

    def __lt__(self, other: Number) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Number) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Number) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Number) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Number) -> Value:
        """Return whether both are equal (``==`` is left to Python)."""
        return self._compare("==", other)

    def is_nan(self) -> Value:
        """Return where the number is not one."""
        return Value(self.b, self.b.ir.fcmp_unordered("uno", self.v, self.v))

    def unsigned_below(self, other: Number) -> Value:
        """Compare integers as if they had no sign."""
        return Value(self.b, self.b.ir.icmp_unsigned("<", self.v, self._lift(other)))

    def __getitem__(self, lane: int) -> Value:
        index = ir.Constant(I32, lane)
        return Value(self.b, self.b.ir.extract_element(self.v, index))


class Pointer:
    """The address of an array's element; offsets count elements."""

    __slots__ = ("b", "element", "v")

    def __init__(self, b: Builder, v: ir.Value, element: ir.Type) -> None:
        self.b, self.v, self.element = b, v, element

    def at(self, offset: Number) -> Pointer:
        """Return the address so many elements further on."""
        if isinstance(offset, int) and offset == 0:
            return self
        index = self.b.i64(offset).v
        moved = self.b.ir.gep(self.v, [index], source_etype=self.element)
        return Pointer(self.b, moved, self.element)

    __add__ = at

    def load(self, offset: Number = 0) -> Value:
        """Return one element."""
        return self._load(offset, self.element)

    def vector(self, offset: Number = 0, *, lanes: int | None = None) -> Value:
        """Return ``lanes`` elements; the address may have any alignment."""
        return self._load(offset, vector_of(self.element, lanes or self.b.lanes))

    def _load(self, offset: Number, kind: ir.Type) -> Value:
        value = self.b.ir.load(self.at(offset).v, typ=kind, align=self._align)
        return Value(self.b, value)

    def splat(self, offset: Number = 0, *, lanes: int | None = None) -> Value:
        """Return one element in every lane."""
        return self.b.splat(self.load(offset), lanes)

    def store(self, value: Number, offset: Number = 0) -> None:
        """Write a scalar or a vector."""
        if not isinstance(value, Value):
            value = self.b.const(value, self.element)
        self.b.ir.store(value.v, self.at(offset).v, align=self._align)

    @property
    def _align(self) -> int:
        sizes: dict[str, int] = {"float": 4, "double": 8, "i8": 1, "i32": 4, "i64": 8}
        return sizes.get(str(self.element), 8)

    def cast(self, element: str) -> Pointer:
        """Return the same address as one of other elements."""
        return Pointer(self.b, self.v, ELEMENTS[element])


class Var:
    """A variable of a loop: a register that may change."""

    __slots__ = ("b", "slot", "type")

    def __init__(self, b: Builder, initial: Value) -> None:
        self.b, self.type = b, initial.type
        self.slot = b.allocate(initial.type)
        self.set(initial)

    def get(self) -> Value:
        """Return what it holds."""
        return Value(self.b, self.b.ir.load(self.slot, typ=self.type))

    def set(self, value: Number) -> None:
        """Change what it holds."""
        lifted = value if isinstance(value, Value) else self.b.const(value, self.type)
        self.b.ir.store(lifted.v, self.slot)

    def add(self, value: Number) -> None:
        """Add to what it holds."""
        self.set(self.get() + value)


class Builder:
    """Writes one function.

    Attributes
    ----------
    lanes : int
        Numbers in a vector where nothing else is said.
    registers : int
        Vector registers of the processor.
    """

    def __init__(self, unit: Unit, function: ir.Function) -> None:
        self.unit = unit
        self.lanes, self.registers = unit.lanes, unit.registers
        self.function = function
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
        element = element_of(kind)
        n: Any = int(number) if isinstance(element, ir.IntType) else float(number)
        lanes = kind.count if isinstance(kind, ir.VectorType) else 0
        return Value(self, ir.Constant(kind, [n] * lanes if lanes else n))

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
        undefined = ir.Constant(vector_of(number.type, n), ir.Undefined)
        first = self.ir.insert_element(undefined, number.v, ir.Constant(I32, 0))
        zeros = ir.Constant(vector_of(I32, n), [0] * n)
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

    def select(self, condition: Value, x: Number, y: Number) -> Value:
        """Return x where the condition holds, else y."""
        if not isinstance(x, Value):
            x = self.like(x, y) if isinstance(y, Value) else self.f32(x)
        return Value(self, self.ir.select(condition.v, x.v, self.like(y, x).v))

    def call_intrinsic(self, name: str, *arguments: Value) -> Value:
        """Call LLVM's function of that name for the first argument's type."""
        kind = arguments[0].type
        full = f"{name}.{mangled(kind)}"
        callee = self.unit.declare(full, kind, [a.type for a in arguments])
        return Value(self, self.ir.call(callee, [a.v for a in arguments]))

    def sqrt(self, x: Value) -> Value:
        """Return the square root, correctly rounded."""
        return self.call_intrinsic("llvm.sqrt", x)

    def absolute(self, x: Value) -> Value:
        """Return |x|."""
        return self.call_intrinsic("llvm.fabs", x)

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

    # control
    def allocate(self, kind: ir.Type, count: int = 1) -> ir.Value:
        """Return a place on the stack."""
        with self.ir.goto_block(self._entry):
            return self.ir.alloca(kind, size=ir.Constant(I64, count))

    def scratch(self, element: str, count: int) -> Pointer:
        """Return a small array on the stack."""
        slot = self.allocate(ELEMENTS[element], count)
        slot.align, slot.type = 64, PTR  # llvmlite's own names the element
        return Pointer(self, slot, ELEMENTS[element])

    def var(self, initial: Number) -> Var:
        """Return a variable; a Python int becomes a 64-bit integer."""
        if isinstance(initial, int):
            initial = self.i64(initial)
        return Var(self, initial if isinstance(initial, Value) else self.f32(initial))

    @contextlib.contextmanager
    def loop(
        self, count: Number, *, step: int = 1, start: Number = 0
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
        following = Value(self, b.add(i, ir.Constant(I64, step), flags=("nsw",)))
        i.add_incoming(following.v, b.block)
        b.cbranch((following < end).v, body, after)
        b.position_at_end(after)

    @contextlib.contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run the body only where a condition holds."""
        with self.ir.if_then(condition.v):
            yield

    @contextlib.contextmanager
    def forever(self) -> Iterator[Callable[[Value], None]]:
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
        callee = self.unit.function(kernel, spec)
        self.ir.call(callee, [a.v for a in arguments])


def mangled(kind: ir.Type) -> str:
    """Return a type as it stands in the names of LLVM's functions."""
    short = {"float": "f32", "double": "f64"}
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{mangled(kind.element)}"
    return short.get(str(kind), str(kind))


@dataclass(frozen=True)
class Kernel:
    """A compiled loop: its name, its parameters and what writes its body.

    ``parameters`` maps names to "f32*", "i8*", "i32*", "i64*" (arrays that do not
    overlap), "n" (a 64-bit integer) or "x" (a float).
    """

    name: str
    parameters: tuple[tuple[str, str], ...]
    body: Callable[..., None]


def kernel(**parameters: str) -> Callable[[Callable[..., None]], Kernel]:
    """Make a kernel of a function (b, *parameters, spec) that writes its body."""

    def wrap(body: Callable[..., None]) -> Kernel:
        return Kernel(body.__name__, tuple(parameters.items()), body)

    return wrap


class Unit:
    """One module of LLVM: kernels, each made once per spec, and what they call."""

    def __init__(self, *, lanes: int, registers: int, is_x86: bool) -> None:
        self.lanes, self.registers, self.is_x86 = lanes, registers, is_x86
        self.module = ir.Module("pellucid")
        self._made: dict[tuple[str, Any], ir.Function] = {}
        self._declared: dict[str, ir.Function] = {}

    def declare(self, name: str, result: ir.Type, kinds: list[ir.Type]) -> ir.Function:
        """Return a function that lives elsewhere: in LLVM or in the C library."""
        if name not in self._declared:
            signature = ir.FunctionType(result, kinds)
            self._declared[name] = ir.Function(self.module, signature, name)
        return self._declared[name]

    def function(self, kernel: Kernel, spec: Any) -> ir.Function:
        """Return the kernel's function for one spec (anything hashable)."""
        key = (kernel.name, spec)
        if key not in self._made:
            self._made[key] = self.define(
                f"{kernel.name}.{len(self._made)}", kernel, spec, internal=True
            )
        return self._made[key]

    def define(
        self, name: str, kernel: Kernel, spec: Any, *, internal: bool = False
    ) -> ir.Function:
        """Write a kernel's function under a name of its own."""
        kinds = [_KINDS.get(kind, PTR) for _, kind in kernel.parameters]
        function = ir.Function(self.module, ir.FunctionType(VOID, kinds), name)
        if internal:
            function.linkage = "internal"
            function.attributes.add("noinline")
        function.attributes.add("nounwind")
        b = Builder(self, function)
        arguments: list[Value | Pointer] = []
        for (label, kind), argument in zip(
            kernel.parameters, function.args, strict=True
        ):
            argument.name = label
            if kind.endswith("*"):
                argument.add_attribute("noalias")
                pointer = Pointer(b, argument, ELEMENTS[kind.rstrip("*")])
                arguments.append(pointer)
            else:
                arguments.append(Value(b, argument))
        kernel.body(b, *arguments, spec=spec)
        b.finish()
        return function


_KINDS: dict[str, ir.Type] = {"n": I64, "x": F32}
