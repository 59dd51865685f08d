"""Values, pointers and variables of LLVM IR, with Python's operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from llvmlite import ir

from pellucid.engines.compiled.codegen.types import (
    ELEMENTS,
    FAST,
    I32,
    element_of,
    vector_of,
)

if TYPE_CHECKING:
    from pellucid.engines.compiled.codegen.builder import Builder

Number = Union["Value", int, float]


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
        sizes: dict[str, int] = {"float": 4, "double": 8, "i8": 1, "i16": 2, "i32": 4}
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
