"""Call of a Python function from compiled code, with the addresses of arrays."""

from __future__ import annotations

import functools

from llvmlite import ir

from pellucid.engines.compiled.codegen import I64, PTR, Builder, Kernel, Pointer, Value
from pellucid.engines.compiled.codegen.types import VOID


@functools.cache
def callback(arrays: int) -> Kernel:
    """Return a kernel that calls ``function(index, images, *addresses)``.

    Parameters
    ----------
    arrays : int
        How many arrays the function is handed.
    """

    def body(
        b: Builder,
        function: Value,
        index: Value,
        images: Value,
        *places: Pointer,
        spec: None,
    ) -> None:
        del spec
        signature = ir.FunctionType(VOID, [I64, I64, *[PTR] * arrays])
        address = b.ir.inttoptr(function.v, signature.as_pointer())
        b.ir.call(address, [index.v, images.v, *(place.v for place in places)])

    names = [(f"array{i}", "f32*") for i in range(arrays)]
    return Kernel(
        f"call_back_{arrays}",
        (("function", "n"), ("index", "n"), ("images", "n"), *names),
        body,
    )
