"""Max-pool of codes: the largest integer has the largest code."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import Builder, Pointer, Value, kernel
from pellucid.engines.compiled.kernels.pool.pool import Pool, cells, windows
from pellucid.engines.compiled.kernels.tile import Part


@kernel(x="i8*", y="i8*")
def max_of_codes(
    b: Builder, x: Pointer, y: Pointer, *, spec: Pool, part: Part | None = None
) -> None:
    """Y = the largest of each window's valid elements. A part is some rows of y."""

    def window(i: Value, j: Value, at: Value, lanes: int, c: Value) -> None:
        kept = b.var(b.resize(b.to_int(b.zeros(lanes)), "i8"))

        def cell(offset: Value) -> None:
            value = (x + offset).vector(c, lanes=lanes)
            kept.set(b.call_intrinsic("llvm.umax", kept.get(), value))

        cells(b, spec, (i, j), (spec.x,), cell)
        y.store(kept.get(), at + c)

    windows(b, spec, window, part)
