"""A small language for writing kernels: values, pointers, loops.

It wraps llvmlite's IR builder so that a kernel reads like the loop nest it is. Python
loops unroll; ``b.loop`` makes a loop of the machine. Everything is float32 unless it
says otherwise; a vector holds ``lanes`` numbers side by side.
"""

from pellucid.engines.compiled.codegen.builder import Builder
from pellucid.engines.compiled.codegen.module import (
    Kernel,
    KernelModule,
    in_parts,
    kernel,
    written_out,
)
from pellucid.engines.compiled.codegen.types import (
    ELEMENTS,
    F32,
    I1,
    I8,
    I16,
    I32,
    I64,
    PTR,
    SIZES,
    VOID,
    vector_of,
)
from pellucid.engines.compiled.codegen.values import Number, Pointer, Value, Var

__all__ = [
    "ELEMENTS",
    "F32",
    "I1",
    "I8",
    "I16",
    "I32",
    "I64",
    "PTR",
    "SIZES",
    "VOID",
    "Builder",
    "Kernel",
    "KernelModule",
    "Number",
    "Pointer",
    "Value",
    "Var",
    "in_parts",
    "kernel",
    "vector_of",
    "written_out",
]
