"""Translate ONNX operators to layers, where a layer computes exactly the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.exchange.graph import picking, products
from pellucid.exchange.graph.arithmetic import divide, extreme, multiply, power
from pellucid.exchange.graph.expansion import expand, tile
from pellucid.exchange.graph.local_response_norm_pattern import Squares, square
from pellucid.exchange.graph.tensor import BATCH, FIRST, Array, Tensor
from pellucid.exchange.onnx import (
    attention,
    moves,
    normalizations,
    pointwise,
    quantized,
    reductions,
    resize,
    windows,
)
from pellucid.exchange.onnx.operator_view import OperatorView
from pellucid.exchange.onnx.recurrent import KINDS as RECURRENT
from pellucid.exchange.onnx.recurrent import recurrent
from pellucid.network import layers as pl
from pellucid.network.composites import ReduceMean

Result = Tensor | Squares
#: what reads the squares of a local response norm
_AVERAGING = frozenset({"Pad", "Reshape", "Unsqueeze"})
_VECTOR_READERS = frozenset({"Flatten", "Gemm", "MatMul", "Reshape", "Squeeze"})


def _prelu(op: OperatorView) -> Tensor:
    return op.builder.prelu(op.ref, op.tensor(), op.constant(1))


def _softmax(op: OperatorView, kind: Any = pl.Softmax) -> Tensor:
    x = op.tensor()
    axis = int(op.attribute("axis", -1 if op.opset >= 13 else 1))
    if op.opset < 13 and axis % len(x.axes) != len(x.axes) - 1:
        # before opset 13 all axes from this one on were flattened into one
        after = x.foreign_shape[axis % len(x.axes) + 1 :]
        if any(n != 1 for n in after):
            op.refuse("work along the last axis in opset < 13", f"axis={axis}")
    return op.builder.softmax(op.ref, x, axis, kind)


def _log_softmax(op: OperatorView) -> Tensor:
    return _softmax(op, pl.LogSoftmax)


def _log(op: OperatorView) -> Tensor:
    return op.builder.log(op.ref, op.tensor())


def _gemm(op: OperatorView) -> Tensor:
    if isinstance(op.inputs[0], np.ndarray) or isinstance(op.inputs[1], Tensor):
        op.refuse("have a constant weight", "another value")
    op.only(transA=0)
    weight = _scaled(op.weight(1, 2), op.attribute("alpha", 1.0))
    weight = weight.T if op.attribute("transB", 0) else weight
    units = weight.shape[1]
    bias = op.constant(2, None)
    if bias is not None:
        if bias.size not in (1, units) or (bias.size > 1 and bias.shape[-1] != units):
            op.refuse(f"have a bias of {units} numbers", f"shape={bias.shape}")
        factor = op.attribute("beta", 1.0)
        bias = np.broadcast_to(_scaled(bias.reshape(-1), factor), (units,))
    weight = weight.astype(np.float32, copy=False)
    return op.builder.dense(op.ref, op.tensor(), weight, bias)


def _scaled(array: Array, factor: float) -> Array:
    """Return an array times a number; itself where that is 1, as it may be shared."""
    return array if factor == 1 else array * np.asarray(factor, np.float32)


def _matmul(op: OperatorView) -> Tensor:
    return products.matmul(op.builder, op.ref, op.inputs[0], op.inputs[1])


def _add(op: OperatorView) -> Result:
    tensors, constants = _split(op)
    if not constants:
        return op.builder.add(op.ref, tensors)
    if isinstance(tensors[0], Squares):
        return tensors[0].plus(op.ref, _one_number(op, constants[0]))
    x, constant = tensors[0], _aligned(op, constants[0])
    return op.builder.add_constant(op.ref, x, constant, can_fold=op.is_sole_reader)


def _sub(op: OperatorView) -> Tensor:
    if isinstance(op.inputs[0], np.ndarray):
        x = op.tensor(1)
        minus = np.full(1, -1, op.inputs[0].dtype)
        negative = op.builder.affine(op.ref, x, scale=minus)
        return op.builder.affine(op.ref, negative, offset=op.inputs[0])
    if isinstance(op.inputs[1], Tensor):
        pair = [op.tensor(0), op.tensor(1)]
        return op.builder.arithmetic(op.ref, pl.Subtract(), pair)
    offset = -_aligned(op, op.constant(1))
    return op.builder.affine(op.ref, op.tensor(), offset=offset)


def _mul(op: OperatorView) -> Result:
    tensors, constants = _split(op)
    if constants and isinstance(tensors[0], Squares):
        return tensors[0].times(op.ref, _one_number(op, constants[0]))
    if constants:
        scale = _aligned(op, constants[0])
        return op.builder.affine(op.ref, tensors[0], scale=scale)
    squares = square(
        op.tensor(0), op.tensor(1), bool(op.readers) and op.readers <= _AVERAGING
    )
    return squares or multiply(op.builder, op.ref, tensors)


def _one_number(op: OperatorView, constant: Array) -> float:
    if constant.size != 1:
        op.refuse("have one number as its constant", f"{constant.size} numbers")
    return float(constant.reshape(-1)[0])


def _pow(op: OperatorView) -> Result:
    part, exponent = op.inputs[0], op.inputs[1]
    if isinstance(part, Squares):
        return part.power(op.ref, _one_number(op, op.constant(1)))
    return power(op.builder, op.ref, part, exponent)


def _div(op: OperatorView) -> Tensor:
    part, other = op.inputs[0], op.inputs[1] if op.has(1) else None
    if isinstance(other, Squares):
        return other.divide(op.ref, op.tensor(), op.builder)
    if isinstance(other, Tensor):
        return divide(op.builder, op.ref, part, other)
    scale = 1 / _aligned(op, op.constant(1))
    return op.builder.affine(op.ref, op.tensor(), scale=scale)


def _neg(op: OperatorView) -> Tensor:
    minus = np.full(1, -1, np.float32)
    return op.builder.affine(op.ref, op.tensor(), scale=minus)


def _sum(op: OperatorView) -> Tensor:
    tensors, constants = _split(op)
    made = op.builder.add(op.ref, tensors)
    for constant in constants:
        made = op.builder.affine(op.ref.part("constant"), made, offset=constant)
    return made


def _limit(is_low: bool) -> Callable[[OperatorView], Tensor]:
    """Max and Min: of values, and of numbers that limit them."""

    def read(op: OperatorView) -> Tensor:
        tensors, constants = _split(op)
        x = extreme(op.builder, op.ref, tensors, is_largest=is_low)
        for constant in constants:
            value = _one_number(op, constant)
            limits = (value, None) if is_low else (None, value)
            x = op.builder.clip(op.ref, x, *limits)
        return x

    return read


def _mean(op: OperatorView) -> Tensor:
    """Mean of values: their sum divided by their number."""
    tensors = [op.tensor(i) for i in range(len(op.inputs))]
    share = np.full(1, 1 / len(tensors), np.float32)
    return op.builder.affine(op.ref, op.builder.add(op.ref, tensors), scale=share)


def _split(op: OperatorView) -> tuple[list[Any], list[Array]]:
    """Return the inputs that the network computes, and the constant ones."""
    constants = [value for value in op.inputs if isinstance(value, np.ndarray)]
    rest = [value for value in op.inputs if not isinstance(value, np.ndarray)]
    if not rest or None in rest:
        op.refuse("have two inputs", str(len(op.inputs)))
    return rest, constants


def _aligned(op: OperatorView, constant: Array) -> Array:
    """Return a constant shaped for today's broadcasting; opset 6 had its own."""
    axis = op.attribute("axis", None)
    if op.opset >= 7 or axis is None:
        return constant
    rank = len(op.tensor().axes)
    return constant.reshape(constant.shape + (1,) * (rank - constant.ndim - axis))


def _concat(op: OperatorView) -> Tensor:
    return picking.join(op.builder, op.ref, op.inputs, int(op.attribute("axis", 1)))


def _gather(op: OperatorView) -> Tensor:
    """Gather by constant numbers: one drops the axis, a list keeps it."""
    x, axis, indices = op.tensor(), int(op.attribute("axis", 0)), op.constant(1)
    if not -len(x.axes) <= axis < len(x.axes) or indices.ndim > 1:
        op.refuse("take elements of one axis by a list", f"axis={axis}")
    axis %= len(x.axes)
    if indices.ndim == 0:
        return picking.select(op.builder, op.ref, x, axis, int(indices))
    return picking.pick(op.builder, op.ref, x, axis, [int(i) for i in indices])


def _dropout(op: OperatorView) -> Tensor:
    training = op.constant(2, np.zeros(1, bool))
    if training.any():
        op.refuse("be in inference mode", "training_mode=True")
    ratio = op.constant(1, None)
    rate = float(op.attribute("ratio", 0.5) if ratio is None else ratio.reshape(-1)[0])
    return op.builder.elementwise(op.ref, op.tensor(), pl.Dropout(rate))


def _identity(op: OperatorView) -> Any:
    return op.inputs[0]


def _cast(op: OperatorView) -> Tensor:
    if op.attribute("to") != op.float_type:
        op.refuse(f"keep the input's type, {op.float_type}", str(op.attribute("to")))
    return op.tensor()


def _cast_like(op: OperatorView) -> Tensor:
    x, like = op.tensor(), op.inputs[1]
    if not isinstance(like, Tensor):
        op.refuse("have the network's type", f"{like.dtype}")
    return x


def _flatten(op: OperatorView) -> Tensor:
    x, axis = op.tensor(), int(op.attribute("axis", 1))
    if axis % len(x.axes) != 1:
        op.refuse("flatten all but the batch", f"axis={axis}")
    return op.builder.flatten(op.ref, x)


def _reshape(op: OperatorView) -> Result:
    shape = op.shape_argument()
    if op.attribute("allowzero", 0) and 0 in shape:
        op.refuse("have allowzero=0", "1")
    if isinstance(op.inputs[0], Squares):
        return op.inputs[0].reshape(op.ref, shape, op.builder.batch)
    return op.builder.reshape(op.ref, op.tensor(), shape)


def _squeeze(op: OperatorView) -> Result:
    part = op.inputs[0]
    if isinstance(part, Squares) and part.is_volume and op.axes() == [1]:
        shape = part.x.foreign_shape
        return part.reshape(op.ref, shape, op.builder.batch)
    return op.builder.squeeze(op.ref, op.tensor(), op.axes() or None)


def _unsqueeze(op: OperatorView) -> Tensor:
    return op.builder.expand_dims(op.ref, op.tensor(), op.axes() or [])


def _transpose(op: OperatorView) -> Tensor:
    x = op.tensor()
    permutation = op.attribute("perm", list(range(len(x.axes)))[::-1])
    return op.builder.transpose(op.ref, x, permutation)


def _tile(op: OperatorView) -> Tensor:
    repeats = op.numbers(1, "repeats") or []
    return tile(op.builder, op.ref, op.tensor(), repeats)


def _expand(op: OperatorView) -> Tensor:
    shape = [BATCH if n == -1 else n for n in op.shape_argument()]
    x, readers = op.tensor(), op.readers
    return expand(op.builder, op.ref, x, shape, readers=readers, stretching=_STRETCHING)


#: operators that stretch axes of length 1 themselves
_STRETCHING = ("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum")


def _global_average(op: OperatorView) -> Tensor:
    if len(op.tensor().axes) != 4:
        return windows.pool_all(op, ReduceMean)
    as_vector = bool(op.readers) and op.readers <= _VECTOR_READERS
    return op.builder.global_average(op.ref, op.tensor(), as_image=not as_vector)


def _reduce_mean(op: OperatorView) -> Tensor:
    x, rank = op.tensor(), len(op.tensor().axes)
    axes = op.numbers(1, "axes") or []
    spatial = {x.axes.index(1), x.axes.index(2)} if x.axes == FIRST else set()
    if not spatial or {axis % rank for axis in axes} != spatial:
        return reductions.reduce(op, ReduceMean)
    if op.attribute("keepdims", 1):
        return _global_average(op)
    return op.builder.global_mean(op.ref, x)


READERS: dict[str, Callable[[OperatorView], Any]] = {
    **pointwise.READERS,
    **quantized.READERS,
    **reductions.READERS,
    **dict.fromkeys(RECURRENT, recurrent),
    "Add": _add,
    "AveragePool": windows.average_pool,
    "BatchNormalization": normalizations.batch_norm,
    "Cast": _cast,
    "CastLike": _cast_like,
    "Concat": _concat,
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "DepthToSpace": moves.depth_to_space,
    "Div": _div,
    "Dropout": _dropout,
    "Attention": attention.attention,
    "Einsum": attention.einsum,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gemm": _gemm,
    "Gather": _gather,
    "GlobalAveragePool": _global_average,
    "GlobalMaxPool": windows.global_max_pool,
    "GroupNormalization": normalizations.group_norm,
    "Identity": _identity,
    "InstanceNormalization": normalizations.instance_norm,
    "LRN": normalizations.local_response_norm,
    "LayerNormalization": normalizations.layer_norm,
    "Log": _log,
    "LogSoftmax": _log_softmax,
    "LpNormalization": normalizations.l2_normalize,
    "MatMul": _matmul,
    "Max": _limit(True),
    "Mean": _mean,
    "Min": _limit(False),
    "MaxPool": windows.max_pool,
    "Mul": _mul,
    "Neg": _neg,
    "PRelu": _prelu,
    "Pad": windows.pad,
    "Pow": _pow,
    "ReduceMean": _reduce_mean,
    "RMSNormalization": normalizations.rms_norm,
    "Reshape": _reshape,
    "Resize": resize.resize,
    "Slice": windows.slice_,
    "Softmax": _softmax,
    "SpaceToDepth": moves.space_to_depth,
    "Split": moves.split,
    "Squeeze": _squeeze,
    "Sub": _sub,
    "Sum": _sum,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": resize.resize,
}
