"""LLVM types of scalars and vectors."""

from __future__ import annotations

from llvmlite import ir

F32, F64 = ir.FloatType(), ir.DoubleType()
I64, I32, I16, I8, I1 = (ir.IntType(n) for n in (64, 32, 16, 8, 1))
PTR = ir.PointerType()
VOID = ir.VoidType()

#: ``contract`` lets a·b + c become one instruction; NaN and infinity keep their meaning
FAST = ("contract",)

ELEMENTS: dict[str, ir.Type] = {
    "f32": F32,
    "f64": F64,
    "i8": I8,
    "i16": I16,
    "i32": I32,
    "i64": I64,
}

#: bytes of an element
SIZES = {"f32": 4, "f64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8}


def vector_of(element: ir.Type, lanes: int) -> ir.VectorType:
    """Return the type of so many elements side by side."""
    return ir.VectorType(element, lanes)


def element_of(kind: ir.Type) -> ir.Type:
    """Return the element type of a vector, or a scalar type itself."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def mangled(kind: ir.Type) -> str:
    """Return a type as it stands in the names of LLVM's functions."""
    short = {"float": "f32", "double": "f64"}
    if isinstance(kind, ir.VectorType):
        return f"v{kind.count}{mangled(kind.element)}"
    return short.get(str(kind), str(kind))
