"""2×2 max-pool of vectors in registers, as an epilogue."""

from __future__ import annotations

from pellucid.engines.compiled.codegen import I32, Builder, Value, vector_of
from pellucid.engines.compiled.kernels.elementwise.activation import Function, apply

#: the code of a window whose ReLU gave zero: no derivative passes
INACTIVE = 4


def pool_window(
    b: Builder,
    cells: list[Value],
    bias: Value | None,
    function: Function | None,
) -> tuple[Value, Value]:
    """Return a window's f(max(cells) + bias) and its codes.

    Parameters
    ----------
    cells : list of four vectors
        The window's values, row by row.
    function : Function or None
        ReLU or none: functions that keep the order.

    Returns
    -------
    tuple
        Value of float32 lanes; codes of 8-bit lanes: which cell came first among the
        largest, 0 to 3, or `INACTIVE`. NaN in any cell makes the value NaN.
    """
    lanes = cells[0].type.count
    kind = vector_of(I32, lanes)
    upper, lower = (cells[n + 1] > cells[n] for n in (0, 2))
    first = b.select(upper, cells[1], cells[0])
    second = b.select(lower, cells[3], cells[2])
    is_below = second > first
    top = b.select(is_below, second, first)
    code = b.select(
        is_below,
        b.select(lower, b.const(3, kind), b.const(2, kind)),
        b.select(upper, b.const(1, kind), b.const(0, kind)),
    )
    poisoned = _unordered(b, cells[0], cells[1]) | _unordered(b, cells[2], cells[3])
    top = b.select(poisoned, b.splat(float("nan"), lanes), top)
    value = apply(b, function, top if bias is None else top + bias)
    if function is not None:
        code = b.select(value > 0.0, code, b.const(INACTIVE, kind))
    return value, b.resize(code, "i8")


def _unordered(b: Builder, x: Value, y: Value) -> Value:
    """Return where x or y is NaN."""
    return Value(b, b.ir.fcmp_unordered("uno", x.v, y.v))
