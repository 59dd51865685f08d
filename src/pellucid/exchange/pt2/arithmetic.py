"""Read sums, products, attention, and what changes no numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.exchange.graph import products, relayout
from pellucid.exchange.graph.arithmetic import divide, extreme, multiply, power
from pellucid.exchange.graph.constants import divide_by_parameter
from pellucid.exchange.graph.local_response_norm_pattern import Squares, square
from pellucid.exchange.graph.tensor import Tensor
from pellucid.exchange.pt2.operator_view import OperatorView
from pellucid.network import layers as pl

#: what reads the squares of a local response norm
_AVERAGING = {"constant_pad_nd", "pad", "reshape", "unsqueeze", "view"}


def _softmax(op: OperatorView) -> Tensor:
    return op.builder.softmax(op.ref, op.tensor("self"), op.get("dim"))


def _log_softmax(op: OperatorView) -> Tensor:
    x, axis = op.tensor("self"), op.get("dim")
    return op.builder.softmax(op.ref, x, axis, pl.LogSoftmax)


def _log(op: OperatorView) -> Tensor:
    return op.builder.log(op.ref, op.tensor("self"))


def _noise(op: OperatorView) -> Any:
    """Dropout of whole channels, or to a mean and variance: nothing in evaluation."""
    op.only(train=False)
    return op.get("input", op.get("self"))


def _dropout(op: OperatorView) -> Tensor:
    op.only(train=False)
    layer = pl.Dropout(float(op.get("p", 0.5)))
    x = op.tensor("self" if "self" in op.arguments else "input")  # if in place
    return op.builder.elementwise(op.ref, x, layer)


def _add(op: OperatorView) -> Any:
    part, other = op.get("self"), op.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        op.only(alpha=1)
        return part.plus(op.ref, float(other))
    if not isinstance(part, Tensor):
        op.refuse("add to the network's value", type(part).__name__)
    if isinstance(other, Tensor):
        op.only(alpha=1)
        return op.builder.add(op.ref, [part, other])
    return _add_constant(op, part, _scaled(op, other))


def _add_constant(op: OperatorView, x: Tensor, offset: Any) -> Tensor:
    return op.builder.add_constant(op.ref, x, offset, can_fold=op.is_sole_reader)


def _sub(op: OperatorView) -> Tensor:
    """Subtract alpha · other, a constant or a value."""
    part, other = op.get("self"), op.get("other")
    alpha = np.float32(op.get("alpha", 1))
    if isinstance(part, np.ndarray):
        return _subtract_from(op, part, op.tensor("other"), alpha)
    if isinstance(other, Tensor) and alpha == 1:
        pair = [op.tensor("self"), other]
        return op.builder.arithmetic(op.ref, pl.Subtract(), pair)
    if isinstance(other, Tensor):
        minus = op.builder.affine(op.ref, other, scale=np.asarray(-alpha))
        return op.builder.add(op.ref, [op.tensor("self"), minus])
    if op.builder.learned.holds(other) and alpha == 1:  # x − p = −(p − x)
        negative = op.ref.part("negative")
        difference = _subtract_from(replace(op, ref=negative), other, part, alpha)
        return op.builder.affine(op.ref, difference, scale=np.asarray(-alpha))
    return _add_constant(op, op.tensor("self"), -(_constant(op, other) * alpha))


def _rsub(op: OperatorView) -> Tensor:
    """Subtract alpha · self from a constant."""
    alpha = np.float32(op.get("alpha", 1))
    return _subtract_from(op, op.get("other"), op.tensor("self"), alpha)


def _subtract_from(op: OperatorView, constant: Any, x: Tensor, alpha: Any) -> Tensor:
    minus = op.builder.affine(op.ref, x, scale=np.asarray(-alpha))
    return op.builder.affine(op.ref, minus, offset=_constant(op, constant))


def _neg(op: OperatorView) -> Tensor:
    minus = np.asarray(-1, np.float32)
    return op.builder.affine(op.ref, op.tensor("self"), scale=minus)


def _mul(op: OperatorView) -> Any:
    part, other = op.get("self"), op.get("other")
    if isinstance(part, np.ndarray):
        part, other = other, part
    if isinstance(part, Squares) and _is_number(other):
        return part.times(op.ref, float(other))
    if not isinstance(part, Tensor):
        op.refuse("multiply the network's value", type(part).__name__)
    if not isinstance(other, Tensor):
        return op.builder.affine(op.ref, part, scale=_constant(op, other))
    squares = square(part, other, bool(op.readers) and op.readers <= _AVERAGING)
    if squares is not None:
        return squares
    silu = op.builder.silu(op.ref, part, other)
    return silu or multiply(op.builder, op.ref, [part, other])


def _extreme(is_largest: bool) -> Callable[[OperatorView], Tensor]:
    def read(op: OperatorView) -> Tensor:
        pair = [op.get("self"), op.get("other")]
        tensors = [value for value in pair if isinstance(value, Tensor)]
        x = extreme(op.builder, op.ref, tensors, is_largest=is_largest)
        for value in pair:
            if not isinstance(value, Tensor):
                if not _is_number(value):
                    op.refuse("limit by a number", "several")
                number = float(np.reshape(value, -1)[0])
                limits = (number, None) if is_largest else (None, number)
                x = op.builder.clip(op.ref, x, *limits)
        return x

    return read


def _is_number(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray) and value.size == 1
    return is_array or isinstance(value, int | float)


def _constant(op: OperatorView, value: Any) -> Any:
    if not isinstance(value, int | float | np.ndarray):
        op.refuse("have a number or a weight as other", type(value).__name__)
    return np.asarray(value, np.float32)


def _scaled(op: OperatorView, value: Any) -> Any:
    """Return a constant times alpha; itself where that is 1, as it may train."""
    constant, alpha = _constant(op, value), op.get("alpha", 1)
    return constant if alpha == 1 else constant * np.float32(alpha)


def _glu(op: OperatorView) -> Tensor:
    """Half of the channels, gated by the other half."""
    x, axis = op.tensor("self"), op.get("dim", -1)
    n = x.foreign_shape[axis]
    if n % 2:
        op.refuse("halve an even axis", n)
    value, gate = relayout.split(op.builder, op.ref.part("half"), x, axis, [n // 2] * 2)
    gate = op.builder.elementwise(op.ref.part("gate"), gate, pl.Sigmoid())
    return op.builder.arithmetic(op.ref, pl.Multiply(), [value, gate])


def _matmul(op: OperatorView) -> Tensor:
    first = op.get("self", op.get("input"))
    return products.matmul(op.builder, op.ref, first, op.get("other", op.get("mat2")))


def _einsum(op: OperatorView) -> Tensor:
    return products.einsum(op.builder, op.ref, op.get("equation"), op.get("tensors"))


def _attention(op: OperatorView) -> Tensor:
    """scaled_dot_product_attention, in inference."""
    op.only(dropout_p=0.0, enable_gqa=False)
    return products.attention(
        op.builder,
        op.ref,
        (op.tensor("query"), op.tensor("key"), op.tensor("value")),
        scale=op.get("scale"),
        mask=op.get("attn_mask"),
        band=(None, 0 if op.get("is_causal", False) else None),
    )


def _addcmul(op: OperatorView) -> Tensor:
    """self + value · tensor1 · tensor2."""
    factors = [op.get("tensor1"), op.get("tensor2")]
    alpha = float(op.get("value", 1))
    values = [x for x in factors if isinstance(x, Tensor)]
    given = [x for x in factors if not isinstance(x, Tensor)]
    if not values:
        op.refuse("multiply the network's value", "constants alone")
    part = op.ref.part("product")
    made = values[0]
    if len(values) == 2:
        made = multiply(op.builder, part, values)
    scale = np.asarray(alpha, np.float32)
    for constant in given:
        scale = scale * _constant(op, constant)
    if given or alpha != 1:
        made = op.builder.affine(part, made, scale=scale)
    other = op.get("self")
    if isinstance(other, Tensor):
        return op.builder.add(op.ref, [other, made])
    return op.builder.affine(op.ref, made, offset=_constant(op, other))


def _fill(op: OperatorView) -> Any:
    """ones_like, zeros_like, full_like: a constant, of one example for all."""
    value = {"ones_like": 1.0, "zeros_like": 0.0}.get(
        op.target.split(".")[3], op.get("fill_value")
    )
    x = op.tensor("self")
    return np.full((1, *x.foreign_shape[1:]), value, np.float32)


def _pow(op: OperatorView) -> Any:
    part, exponent = op.get("self"), op.get("exponent")
    if isinstance(part, Squares) and isinstance(exponent, int | float):
        return part.power(op.ref, float(exponent))
    return power(op.builder, op.ref, part, exponent)


def _div(op: OperatorView) -> Tensor:
    op.only(rounding_mode=None)
    part = op.get("other")
    if isinstance(part, Squares):
        return part.divide(op.ref, op.tensor("self"), op.builder)
    if isinstance(part, Tensor):
        x = op.get("self")
        x = x if isinstance(x, Tensor) else _constant(op, x)
        return divide(op.builder, op.ref, x, part)
    if op.builder.learned.holds(part):
        return divide_by_parameter(op.builder, op.ref, op.tensor("self"), part)
    inverse = 1 / np.asarray(_constant(op, part), np.float64)
    scale = np.asarray(inverse, np.float32)
    return op.builder.affine(op.ref, op.tensor("self"), scale=scale)


def _size(op: OperatorView) -> Any:
    return op.tensor("self").foreign_shape[op.get("dim")]


def _same(op: OperatorView) -> Any:
    return op.get("self")


def _convert(op: OperatorView) -> Any:
    """to, float: of the type that it has."""
    kinds = [op.get("dtype")]
    if any(kind not in (None, op.float_type) for kind in kinds):
        op.refuse(f"keep the input's type, {op.float_type}", kinds[0])
    return op.get("self")


READERS: dict[str, Callable[[OperatorView], Any]] = {
    "add": _add,
    "add_": _add,
    "alias": _same,
    "alpha_dropout": _noise,
    "alpha_dropout_": _noise,
    "clone": _same,
    "contiguous": _same,
    "detach": _same,
    "detach_": _same,
    "div": _div,
    "div_": _div,
    "dropout": _dropout,
    "dropout_": _dropout,
    "feature_alpha_dropout": _noise,
    "feature_alpha_dropout_": _noise,
    "feature_dropout": _noise,
    "feature_dropout_": _noise,
    "full_like": _fill,
    "glu": _glu,
    "bmm": _matmul,
    "matmul": _matmul,
    "mm": _matmul,
    "scaled_dot_product_attention": _attention,
    "einsum": _einsum,
    "addcmul": _addcmul,
    "ones_like": _fill,
    "zeros_like": _fill,
    "lift_fresh_copy": _same,
    "log": _log,
    "log_softmax": _log_softmax,
    "maximum": _extreme(True),
    "minimum": _extreme(False),
    "mul": _mul,
    "mul_": _mul,
    "neg": _neg,
    "pow": _pow,
    "rsub": _rsub,
    "softmax": _softmax,
    "sub": _sub,
    "sub_": _sub,
    "sym_size": _size,
    "to": _convert,
    "_to_copy": _convert,
}
